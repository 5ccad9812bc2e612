// Who watches the pool "rest" and keeps a picture of it of nothing but its events.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "tests/soak/load.h"

namespace inod::soak {

// Thread safety: none.
class Follower {
public:
    // Requires that nobody has anything of the pool yet.
    explicit Follower(Load& load);

    // What has come by now. Throws Broken where an event contradicts the picture.
    void poll();
    // Until all has come that was decided so far. Requires that nobody changes anything meanwhile, but for
    // holders whose time runs out.
    void catch_up(Client& control);
    // Whether the picture is just what the clients were told; else which number is wrong.
    [[nodiscard]] std::optional<Id> difference() const;
    [[nodiscard]] std::uint64_t live_count() const { return holders_.size(); }

private:
    void ask();
    void answered(const proto::Reply& reply);
    void happened(const proto::Event& event);
    void begin_anew(Client& control);

    Load& load_;
    Client client_;
    std::uint16_t pool_;
    std::uint64_t next_ = 0;
    std::map<Id, std::uint64_t> holders_;  // of each number that is live
    bool is_stale_ = false;                // until the next quiet point
};

}  // namespace inod::soak
