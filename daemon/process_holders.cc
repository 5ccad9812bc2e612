#include "daemon/process_holders.h"

#include <array>
#include <span>
#include <utility>

namespace inod::daemon {
namespace {

// Ended processes that are taken at once: two system calls and an end each, some 2 us.
constexpr std::size_t batch_size = 256;

// What the watch calls a holder: holders that follow each other at one index are told apart by what is
// lowest in their IDs.
std::uint64_t key_of(const HolderRef& ref) {
    return ref.id << 32U | ref.index;
}

std::string text_of(const NoProcess& none) {
    switch (none.why) {
        case NoProcess::Why::ended: return "the process has ended";
        case NoProcess::Why::not_a_pidfd:
            return "the descriptor is no pidfd: send one of pidfd_open(2)";
        case NoProcess::Why::thread:
            return "the descriptor is of a thread: send a pidfd of its process";
        default: return none.message;
    }
}

}  // namespace

Result<std::unique_ptr<ProcessHolders>, Failure> ProcessHolders::create(Allocator& allocator,
                                                                        Closer& closer,
                                                                        std::uint64_t count_max) {
    const auto space = pid_namespace();
    if (!space) return space.error();
    auto watch = ProcessWatch::create(allocator.memory(), count_max);
    if (!watch) return watch.error();
    return std::unique_ptr<ProcessHolders>(
        new ProcessHolders(allocator, closer, *std::move(watch), *space));
}

std::size_t ProcessHolders::reopen_all() {
    const Holders& holders = allocator_.holders();
    std::size_t unproven = 0;
    for (HolderIndex index = 0; index < holders.index_end(); ++index) {
        if (!holders.contains(index) || holders[index].binding != Binding::process) continue;
        if (!reopen(index)) ++unproven;
    }
    return unproven;
}

// True if it is known what became of the process.
bool ProcessHolders::reopen(HolderIndex index) {
    const Holder holder = allocator_.holders()[index];
    const HolderRef ref{.index = index, .id = holder.id};
    // PIDs of another namespace say nothing here.
    if (holder.process.pid_namespace != pid_namespace_) return false;
    auto opened = daemon::reopen(holder.process);
    if (!opened) return false;
    if (!*opened) {
        allocator_.end(ref);
        return true;
    }
    return watch_->add(key_of(ref), std::move(**opened)).has_value();
}

Result<ProcessHolders::Process, std::string> ProcessHolders::find(const PeerSocket& peer,
                                                                  std::uint32_t uid,
                                                                  OwnedFd& passed) {
    OwnedFd pidfd = std::exchange(passed, OwnedFd());
    if (!pidfd) {
        auto own = peer_pidfd(peer.socket, peer.accepted_at);
        if (!own) return text_of(own.error());
        pidfd = *std::move(own);
    }
    auto identity = identity_of(pidfd.get());
    if (!identity) {
        closer_.close(uid, std::move(pidfd));
        return text_of(identity.error());
    }
    identity->pid_namespace = pid_namespace_;
    return Process{.identity = *identity, .pidfd = std::move(pidfd)};
}

Result<void, Failure> ProcessHolders::watch(const HolderRef& ref, OwnedFd pidfd) {
    if (watch_->contains(key_of(ref))) return {};
    return watch_->add(key_of(ref), std::move(pidfd));
}

void ProcessHolders::forget(const HolderRef& ref) noexcept {
    watch_->remove(key_of(ref));
}

ProcessHolders::Ended ProcessHolders::end_some() noexcept {
    std::array<std::uint64_t, batch_size> keys{};
    std::size_t count = keys.size();
    bool has_ended_some = false;
    while (!has_ended_some && count == keys.size()) {
        count = watch_->take_ended(keys);
        for (const std::uint64_t key : std::span(keys).first(count))
            has_ended_some = end(key) || has_ended_some;
    }
    return {.count = count, .may_be_more = count == keys.size()};
}

// False if the holder had come to its end already.
bool ProcessHolders::end(std::uint64_t key) noexcept {
    const auto index = static_cast<HolderIndex>(key);
    const Holders& holders = allocator_.holders();
    if (!holders.contains(index)) return false;
    const HolderRef ref{.index = index, .id = holders.id(index)};
    if (key_of(ref) != key) return false;
    allocator_.end(ref);
    return true;
}

}  // namespace inod::daemon
