// What is done to a disk of which every state is looked at: tools/block-states.
//
//   workload DIR RECORDS < answers    a store in DIR, one record a group, with a snapshot in the middle. Says
//                                     each on a line once it is durable, and waits for a line in return
//   workload --check DIR < lines      starts on DIR, where all these lines were said, and one record more
//                                     may be there. Says what is wrong, and ends with status 1
//
// A line is "lease:POOL:ID:GENERATION", or "release:" and the same.
#include <array>
#include <deque>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#include "lib/base/posix_storage.h"
#include "tests/allocator/machine.h"

namespace inod {
namespace {

// Of each kind: recorded, only its mark recorded, and one that wraps.
constexpr PoolIndex pool_count = 3;
constexpr PoolIndex unrecorded_pool = 1;
constexpr std::size_t held_max = 12;

using Number = std::tuple<PoolIndex, Id, std::uint64_t>;  // with its generation

struct SmallMachine : Machine {
    SmallMachine()
        : Machine({unique_pool("inode"), unique_pool("block", {1, id_max}, Durability::block),
                   cyclic_pool("pid", {1, 40})}) {
        journal.snapshot_size_per_group = 512;
    }
};

std::unique_ptr<Storage> open_state(const std::string& directory) {
    std::filesystem::create_directories(directory);
    auto storage = PosixStorage::open_directory(directory);
    if (!storage) throw std::runtime_error(storage.error().message);
    return *std::move(storage);
}

void start(Machine& machine, Storage& storage) {
    const auto started = machine.start_on(storage);
    if (!started) throw std::runtime_error("no start: " + started.error().message);
}

class Workload {
public:
    explicit Workload(const std::string& directory) : storage_(open_state(directory)) {
        start(machine_, *storage_);
    }

    void run(std::uint64_t records) {
        for (std::uint64_t record = 0; record < records; ++record) {
            if (record == records / 2) machine_.allocator->request_snapshot();
            const auto pool = static_cast<PoolIndex>(record % pool_count);
            const bool releases = held_[pool].size() == held_max ||
                                  (!held_[pool].empty() && record / pool_count % 3 == 0);
            say(releases ? release(pool) : lease(pool));
        }
    }

private:
    std::string lease(PoolIndex pool) {
        const auto answer = machine_.allocate(pool);
        if (!answer.result) throw std::runtime_error("a lease is refused");
        const Number number{pool, answer.result->range.first, answer.result->generation};
        held_[pool].push_back(number);
        return "lease:" + text_of(number);
    }
    std::string release(PoolIndex pool) {
        const Number number = held_[pool].front();
        held_[pool].pop_front();
        const auto& [index, id, generation] = number;
        if (!machine_.release(index, {id, id}, generation).result) {
            throw std::runtime_error("a release is refused");
        }
        return "release:" + text_of(number);
    }
    static std::string text_of(const Number& number) {
        const auto& [pool, id, generation] = number;
        return std::to_string(pool) + ":" + std::to_string(id) + ":" + std::to_string(generation);
    }
    void say(const std::string& line) {
        if (!machine_.flush()) throw std::runtime_error("a group is not written");
        std::cout << line << std::endl;
        std::string answer;
        if (!std::getline(std::cin, answer)) throw std::runtime_error("nobody listens");
    }

    std::unique_ptr<Storage> storage_;
    SmallMachine machine_;
    std::array<std::deque<Number>, pool_count> held_;
};

// What was said.
struct Said {
    std::set<Number> handed_out;
    std::set<Number> live;
};

// Of "lease:POOL:ID:GENERATION".
std::pair<std::string, Number> parse(const std::string& line) {
    std::istringstream in(line);
    std::string verb;
    std::getline(in, verb, ':');
    char colon = 0;
    PoolIndex pool = 0;
    Id id = 0;
    std::uint64_t generation = 0;
    in >> pool >> colon >> id >> colon >> generation;
    if (!in) throw std::runtime_error("no such line: " + line);
    return {verb, {pool, id, generation}};
}

Said read_said() {
    Said said;
    std::string line;
    while (std::getline(std::cin, line)) {
        const auto [verb, number] = parse(line);
        if (verb == "release") {
            said.live.erase(number);
        } else {
            said.handed_out.insert(number);
            said.live.insert(number);
        }
    }
    return said;
}

std::set<Number> live_in(Allocator& allocator, PoolIndex pool) {
    std::set<Number> live;
    for (Id from = 0;;) {
        const auto held = allocator.next(pool, from).result;
        if (!held) return live;
        for (Id id = held->range.first; id <= held->range.last; ++id)
            live.insert({pool, id, held->generation});
        from = held->range.last + 1;
    }
}

// One record may be there of which nobody was told: a lease more, or one that is gone.
std::string check_live(const Said& said, Allocator& allocator) {
    std::size_t more = 0;
    std::size_t gone = 0;
    for (PoolIndex pool = 0; pool < pool_count; ++pool) {
        if (pool == unrecorded_pool) continue;
        const std::set<Number> live = live_in(allocator, pool);
        for (const Number& number : live) {
            if (said.live.contains(number)) continue;
            if (said.handed_out.contains(number)) return "an acknowledged release is undone";
            ++more;
        }
        for (const Number& number : said.live)
            gone += std::get<0>(number) == pool && !live.contains(number) ? 1U : 0U;
    }
    if (more + gone <= 1) return "";
    return "lost: " + std::to_string(gone) + " leases are gone, and " + std::to_string(more) +
           " are there of which nobody was told";
}

std::string check_never_twice(const Said& said, Machine& machine) {
    for (PoolIndex pool = 0; pool < pool_count; ++pool) {
        for (int count = 0; count < 30; ++count) {
            const auto answer = machine.allocate(pool);
            if (!answer.result) break;  // the one that wraps is small
            const Id id = answer.result->range.first;
            if (said.handed_out.contains({pool, id, answer.result->generation})) {
                return "handed out twice: " + std::to_string(id) + " of pool " +
                       std::to_string(pool);
            }
        }
    }
    return "";
}

int check(const std::string& directory) {
    const Said said = read_said();
    const auto storage = open_state(directory);
    SmallMachine machine;
    start(machine, *storage);
    std::string wrong = check_live(said, *machine.allocator);
    if (wrong.empty()) wrong = check_never_twice(said, machine);
    if (wrong.empty()) return 0;
    std::cout << wrong << "\n";
    return 1;
}

int run(int argc, char** argv) {
    if (argc == 3 && argv[1] == std::string("--check")) return check(argv[2]);
    if (argc != 3) return 2;
    Workload(argv[1]).run(std::stoull(argv[2]));
    return 0;
}

}  // namespace
}  // namespace inod

int main(int argc, char** argv) {
    try {
        return inod::run(argc, argv);
    } catch (const std::exception& error) {
        std::cout << error.what() << std::endl;
        return 1;
    }
}
