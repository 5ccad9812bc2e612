// A user who is at all his limits at once and goes on asking: numbers, holders, connections, and replies that
// nobody reads. Each is a process of its own, made to cost the daemon as much as it can.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace inod::bench {

struct CrowdPlan {
    std::string socket;
    uid_t uid;
    unsigned connections_max;  // his limit
    std::optional<int> core;   // for all of them; none: any
    bool is_paced;             // each asks 1,000 times a second, and not as often as it can
    bool reads;                // the replies on all connections, so that all of them can ask on
};

class Crowd {
public:
    // Returns when all limits are reached. Throws std::runtime_error where one is not.
    explicit Crowd(const CrowdPlan& plan);
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;
    ~Crowd();

    // They stop where they are, with all that they have; and go on.
    void rest() const;
    void go_on() const;

private:
    using Work = void (*)(const CrowdPlan& plan, int ready);

    void add(Work work, const CrowdPlan& plan);
    void kill_all() noexcept;

    std::vector<pid_t> pids_;
};

// Becomes that user, on that core, in a child; ends it where that is refused.
void become(uid_t uid, std::optional<int> core);

}  // namespace inod::bench
