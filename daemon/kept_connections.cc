#include "daemon/kept_connections.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "lib/base/system_failure.h"

namespace inod::daemon {
namespace {

// "inodkept", and the version of the table behind it.
constexpr std::uint64_t table_magic = 0x7470'656b'646f'6e69;
constexpr std::uint64_t table_version = 1;

constexpr std::chrono::seconds stop_patience{5};

// Whoever maps it must never find it shorter.
constexpr int table_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// Linux puts what is sent on a Unix socket into one buffer, up to 32 KiB and somewhat more, and takes the whole of it or
// nothing (unix_stream_sendmsg() in net/unix/af_unix.c). No manual promises that, so it is looked at, with a socket that
// is filled up.
std::size_t find_whole_send_max() noexcept {
    static constexpr std::array<std::byte, 32'768> bytes{};
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return 0;
    const OwnedFd sender(ends[0]);
    const OwnedFd receiver(ends[1]);
    const auto whole = static_cast<ssize_t>(bytes.size());
    ssize_t size = 0;
    do {
        size = ::send(sender.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (size == whole);
    return size < 0 && errno == EAGAIN ? bytes.size() : 0;
}

// A slot's name in the store.
class Name {
public:
    explicit Name(std::uint32_t number) noexcept {
        std::snprintf(text_.data(), text_.size(), "%u", number);
    }
    [[nodiscard]] const char* text() const noexcept { return text_.data(); }

private:
    std::array<char, 12> text_{};
};

}  // namespace

struct KeptConnections::Entry {
    std::uint64_t accepted_at;
    std::atomic<KeptSlot::State> state;
    std::uint32_t zero;
};

struct KeptConnections::Table {
    std::uint64_t magic;
    std::uint64_t version;
    std::array<Entry, count_max> entries;
};

std::optional<std::uint32_t> KeptConnections::slot_of(std::string_view name) noexcept {
    std::uint32_t number = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) return std::nullopt;
    if (number >= count_max) return std::nullopt;
    return number;
}

Result<std::unique_ptr<KeptConnections>, Failure> KeptConnections::create(DescriptorStore store,
                                                                          OwnedFd table) {
    struct stat status {};
    const bool is_known = table && ::fstat(table.get(), &status) == 0 &&
                          status.st_size == sizeof(Table) &&
                          (::fcntl(table.get(), F_GET_SEALS) & table_seals) == table_seals;
    if (!is_known) {
        table = OwnedFd(::memfd_create("inod-connections", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        if (!table) return system_failure("memfd_create", "inod-connections");
        // All of it now: a page that is not to be had later would end the daemon.
        const int error = ::posix_fallocate(table.get(), 0, sizeof(Table));
        if (error != 0 || ::fcntl(table.get(), F_ADD_SEALS, table_seals) != 0) {
            if (error != 0) errno = error;
            return system_failure("posix_fallocate", "inod-connections");
        }
    }
    void* const memory = ::mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_POPULATE, table.get(), 0);
    if (memory == MAP_FAILED) return system_failure("mmap", "inod-connections");
    auto* const mapped = static_cast<Table*>(memory);
    std::unique_ptr<KeptConnections> made(new KeptConnections(std::move(store), mapped));
    if (mapped->magic == table_magic && mapped->version == table_version) return made;
    for (Entry& entry : mapped->entries)
        entry.state = KeptSlot::State::free;
    mapped->version = table_version;
    mapped->magic = table_magic;
    if (!made->store_.remove(table_name, DescriptorStore::Patience::some) ||
        !made->store_.put(table_name, table.get(), DescriptorStore::Patience::some)) {
        return system_failure("sendmsg", "the service manager's socket");
    }
    return made;
}

KeptConnections::KeptConnections(DescriptorStore store, Table* table)
    : store_(std::move(store)), whole_send_max_(find_whole_send_max()), table_(table) {
    const MutexGuard guard(mutex_);
    due_.reserve(count_max);
    free_.reserve(count_max);
}

KeptConnections::~KeptConnections() {
    store_.await_read(patience_at_a_stop());
    ::munmap(table_, sizeof(Table));
}

KeptConnections::Entry& KeptConnections::entry(std::uint32_t number) noexcept {
    return table_->entries[number];
}

std::optional<KeptSlot> KeptConnections::take_back(std::uint32_t number) noexcept {
    const MutexGuard guard(mutex_);
    if (came_back_[number]) return std::nullopt;
    const KeptSlot::State state = entry(number).state;
    if (state != KeptSlot::State::served && state != KeptSlot::State::left) {
        // Nobody has the number before the store has dropped it.
        if (!store_.remove(Name(number).text(), DescriptorStore::Patience::none)) {
            came_back_[number] = true;
            due_.push_back(number);
        }
        return std::nullopt;
    }
    came_back_[number] = true;
    return KeptSlot(*this, number, state, true);
}

// As many are free as the store has room for, the lowest first.
void KeptConnections::begin() noexcept {
    const MutexGuard guard(mutex_);
    std::uint64_t room = store_.count_max() - std::min(store_.count_max(), came_back_.count() + 1);
    for (std::uint32_t number = 0; number < count_max; ++number) {
        if (came_back_[number]) continue;
        entry(number).state = KeptSlot::State::free;
        if (room == 0) continue;
        free_.push_back(number);
        --room;
    }
    std::ranges::reverse(free_);
}

std::optional<KeptSlot> KeptConnections::take(std::uint64_t accepted_at) noexcept {
    const MutexGuard guard(mutex_);
    remove_due();
    if (free_.empty()) return std::nullopt;
    const std::uint32_t number = free_.back();
    free_.pop_back();
    entry(number).accepted_at = accepted_at;
    entry(number).state = KeptSlot::State::served;
    KeptSlot slot(*this, number, KeptSlot::State::served, false);
    slot.has_begun_ = true;
    return slot;
}

void KeptConnections::give(std::uint32_t number, bool is_stored) noexcept {
    const MutexGuard guard(mutex_);
    entry(number).state = KeptSlot::State::free;
    remove_due();
    if (is_stored && !store_.remove(Name(number).text(), DescriptorStore::Patience::none)) {
        due_.push_back(number);
    } else {
        free_.push_back(number);
    }
}

DescriptorStore::Patience KeptConnections::patience_at_a_stop() noexcept {
    const std::int64_t now =
        std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
    std::int64_t until = 0;
    const std::int64_t first = now + stop_patience / std::chrono::nanoseconds(1);
    if (impatient_from_ns_.compare_exchange_strong(until, first)) until = first;
    return now < until ? DescriptorStore::Patience::some : DescriptorStore::Patience::none;
}

// Their numbers are used again only when what had them is dropped.
void KeptConnections::remove_due() noexcept {
    while (!due_.empty() &&
           store_.remove(Name(due_.back()).text(), DescriptorStore::Patience::none)) {
        free_.push_back(due_.back());
        due_.pop_back();
    }
}

KeptSlot::~KeptSlot() {
    if (of_ != nullptr) of_->give(number_, is_stored_);
}

std::uint64_t KeptSlot::accepted_at() const noexcept {
    return of_->entry(number_).accepted_at;
}

bool KeptSlot::is_certain() const noexcept {
    return has_begun_ || at_rest_ == State::left;
}

void KeptSlot::begin() noexcept {
    has_begun_ = true;
    at_rest_ = State::served;
    is_at_boundary();
}

void KeptSlot::may_cut_frame() noexcept {
    of_->entry(number_).state.store(State::within_frame, std::memory_order_release);
}

void KeptSlot::is_at_boundary() noexcept {
    of_->entry(number_).state.store(at_rest_, std::memory_order_release);
}

bool KeptSlot::sends_whole(std::size_t size) const noexcept {
    return size <= of_->whole_send_max_;
}

bool KeptSlot::store(int socket, DescriptorStore::Patience patience) noexcept {
    is_stored_ = is_stored_ || of_->store_.put(Name(number_).text(), socket, patience);
    return is_stored_;
}

bool KeptSlot::leave(int socket) noexcept {
    if (!store(socket, of_->patience_at_a_stop())) return false;
    if (is_certain()) at_rest_ = State::left;
    is_at_boundary();
    of_ = nullptr;
    return true;
}

}  // namespace inod::daemon
