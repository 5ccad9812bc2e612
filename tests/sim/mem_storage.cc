#include "tests/sim/mem_storage.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

#include "lib/base/assert.h"
#include "tests/sim/own_memory.h"

namespace inod::sim {
namespace {

constexpr std::size_t sector_size = 512;

using Bytes = std::vector<std::byte>;

struct Write {
    std::uint64_t offset;
    Bytes bytes;
};

// What a file is apart from its names.
struct Body {
    Bytes visible;
    Bytes durable;
    std::vector<Write> unsynced;  // in order
};

using Names = std::map<std::string, std::shared_ptr<Body>>;

// An operation on the directory that is not durable yet.
struct NameChange {
    std::string removed;            // empty: none
    std::string added;              // empty: none; replaces what has the name
    std::shared_ptr<Body> content;  // of the added name

    void apply(Names& names) const {
        if (!removed.empty()) names.erase(removed);
        if (!added.empty()) names.insert_or_assign(added, content);
    }
};

void put(Bytes& content, std::uint64_t offset, std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    if (offset == content.size()) {
        content.insert(content.end(), bytes.begin(), bytes.end());
        return;
    }
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
    std::memcpy(content.data() + offset, bytes.data(), bytes.size());
}

// Calls `visit` with the offset and the bytes of each part of `write` that lies in one sector.
template <class Visit>
void for_each_sector(const Write& write, Visit visit) {
    std::size_t done = 0;
    while (done < write.bytes.size()) {
        const std::size_t to_boundary = sector_size - (write.offset + done) % sector_size;
        const std::size_t size = std::min(to_boundary, write.bytes.size() - done);
        visit(write.offset + done, std::span(write.bytes).subspan(done, size));
        done += size;
    }
}

void lose_unsynced(Body& body, std::mt19937_64& random, CrashLoss& loss) {
    for (const Write& write : body.unsynced) {
        switch (random() % 3) {
            case 0: ++loss.writes_lost; break;
            case 1:
                ++loss.writes_kept;
                put(body.durable, write.offset, write.bytes);
                break;
            default:
                ++loss.writes_torn;
                for_each_sector(write, [&](std::uint64_t offset, std::span<const std::byte> bytes) {
                    if (random() % 2 == 0) put(body.durable, offset, bytes);
                });
        }
    }
    body.unsynced.clear();
    body.visible = body.durable;
}

// Is `bytes` at `offset` something else than what `content` has there?
bool differs(const Bytes& content, std::uint64_t offset, std::span<const std::byte> bytes) {
    if (offset + bytes.size() > content.size()) return true;
    return std::memcmp(content.data() + offset, bytes.data(), bytes.size()) != 0;
}

}  // namespace

struct MemStorage::Disk {
    mutable std::mutex mutex;
    Names names;
    Names durable_names;               // at the last sync_names()
    std::vector<NameChange> unsynced;  // since then, in order
    std::uint64_t life = 0;            // rises with each crash; Files remember theirs
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    std::uint64_t refusals = 0;
    std::uint64_t changes = 0;
    std::uint64_t fail_at = 0;  // a number of `calls`; 0: never
    Errc fail_code = Errc::io_error;
    std::uint64_t fail_kept_permille = 0;
    std::uint64_t die_at = 0;  // likewise
    std::uint64_t die_kept_permille = 0;
    Aim aim;  // where it begins to count, if that is yet to come
    std::uint64_t die_behind_aim = 0;
    std::uint64_t capacity = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t syncs_to_lie = 0;  // 0: none lies
    Lie lie{};
    std::optional<LieTold> told;
    DiskWatcher* watcher = nullptr;

    [[nodiscard]] bool is_dying() const { return die_at != 0 && calls >= die_at; }

    // Counts a call and says why it is to fail, if it is.
    std::optional<Failure> enter(std::string_view call, const std::string& name) {
        ++calls;
        const bool dead = is_dying();
        if (!dead && calls != fail_at) return std::nullopt;
        ++failures;
        return Failure{dead ? Errc::io_error : fail_code,
                       std::string(call) + "(" + name + "): made to fail"};
    }
    // Of a write of `size` bytes that is made to fail now: how many are in the file all the same?
    [[nodiscard]] std::size_t kept_of(std::size_t size) const {
        std::uint64_t permille = 500;
        if (calls == fail_at) permille = fail_kept_permille;
        if (calls == die_at) permille = die_kept_permille;
        return size * permille / 1000;
    }
    void tell(const DiskCall& call) {
        if (watcher != nullptr) watcher->on_call(call);
        if (!aim || !aim(call)) return;
        aim = nullptr;
        die_at = calls + die_behind_aim;
    }
    void tell(std::string_view call, const std::string& name, Errc result) {
        tell(DiskCall{.call = call, .name = name, .to = {}, .result = result});
    }
    // A call that is made to fail, or that cannot be.
    Failure refuse(std::string_view call, const std::string& name, Failure failure) {
        tell(call, name, failure.code);
        return failure;
    }

    void change(NameChange change) {
        change.apply(names);
        unsynced.push_back(std::move(change));
    }
    void end_process() {
        ++life;
        aim = nullptr;
        die_at = 0;
        fail_at = 0;
        syncs_to_lie = 0;
    }

    [[nodiscard]] std::uint64_t used() const {
        std::uint64_t size = 0;
        for (const auto& [name, body] : names)
            size += body->visible.size();
        return size;
    }

    void sync(Body& body, const std::string& name);
    bool tell_lie(Body& body, const std::string& name);
};

void MemStorage::Disk::sync(Body& body, const std::string& name) {
    const bool lies = syncs_to_lie > 0 && --syncs_to_lie == 0;
    if (lies && !tell_lie(body, name)) syncs_to_lie = 1;
    for (Write& write : body.unsynced) {
        if (write.offset == 0 && body.durable.empty()) {
            body.durable = std::move(write.bytes);
        } else {
            put(body.durable, write.offset, write.bytes);
        }
    }
    body.unsynced.clear();
}

// Takes a run of whole sectors out of what is about to become durable, and puts it elsewhere if it
// is misdirected. False, and nothing was done, if there is none that makes a difference.
bool MemStorage::Disk::tell_lie(Body& body, const std::string& name) {
    std::vector<std::pair<std::size_t, std::uint64_t>> sectors;  // of which write, where
    for (std::size_t i = 0; i < body.unsynced.size(); ++i) {
        for_each_sector(body.unsynced[i],
                        [&](std::uint64_t offset, std::span<const std::byte> bytes) {
                            if (differs(body.durable, offset, bytes))
                                sectors.emplace_back(i, offset);
                        });
    }
    if (sectors.empty()) return false;
    std::mt19937_64 random(lie.draw);
    const auto [index, begin] = sectors[random() % sectors.size()];
    Write& write = body.unsynced[index];
    const std::uint64_t end = write.offset + write.bytes.size();
    const std::uint64_t run = random() % 2 == 0 ? 1 : 1 + random() % 8;
    const std::uint64_t cut = std::min(end, (begin / sector_size + run) * sector_size);
    const auto bytes = std::span(write.bytes).subspan(begin - write.offset, cut - begin);
    Write lost{begin, Bytes(bytes.begin(), bytes.end())};
    told = LieTold{.name = name, .offset = begin, .size = cut - begin, .landed_in = {}};

    // What stays of the write, in two parts. A file has its size all the same.
    Write behind{cut, Bytes(write.bytes.begin() + static_cast<std::ptrdiff_t>(cut - write.offset),
                            write.bytes.end())};
    write.bytes.resize(begin - write.offset);
    body.unsynced.insert(body.unsynced.begin() + static_cast<std::ptrdiff_t>(index) + 1,
                         std::move(behind));
    if (body.durable.size() < end) body.durable.resize(end);
    if (!lie.misdirects) return true;

    auto target = names.begin();
    if (random() % 2 == 0) {
        std::advance(target, static_cast<std::ptrdiff_t>(random() % names.size()));
    } else {
        while (target != names.end() && target->second.get() != &body)
            ++target;
    }
    if (target == names.end()) return true;
    Body& other = *target->second;
    const std::uint64_t size = other.durable.size();
    if (size < lost.bytes.size()) return true;
    // Near to where it belongs, mostly: a drive's arm that is off, a bit of the address turned.
    std::uint64_t at = begin;
    if (random() % 4 == 0) {
        at = random() % size / sector_size * sector_size + begin % sector_size;
    } else {
        at ^= sector_size << random() % 6;
    }
    at = std::min(at, size - lost.bytes.size());
    told->landed_in = target->first;
    told->landed_at = at;
    put(other.durable, at, lost.bytes);
    return true;
}

namespace {

class MemFile final : public File {
public:
    MemFile(std::shared_ptr<MemStorage::Disk> disk, std::shared_ptr<Body> body, std::string name)
        : disk_(std::move(disk)),
          body_(std::move(body)),
          name_(std::move(name)),
          life_(disk_->life) {}

    [[nodiscard]] Result<std::size_t, Failure> read(std::uint64_t offset,
                                                    std::span<std::byte> out) const override {
        const OwnMemory own;
        const std::lock_guard lock(disk_->mutex);
        if (auto failure = enter("read")) return *std::move(failure);
        const std::uint64_t size = body_->visible.size();
        std::size_t count = 0;
        if (offset < size) {
            count = std::min<std::uint64_t>(out.size(), size - offset);
            std::memcpy(out.data(), body_->visible.data() + offset, count);
        }
        disk_->tell({.call = "read", .name = name_, .to = {}, .offset = offset, .size = count});
        return count;
    }

    [[nodiscard]] Result<void, Failure> write(std::uint64_t offset,
                                              std::span<const std::byte> bytes) override {
        const OwnMemory own;
        const std::lock_guard lock(disk_->mutex);
        ++disk_->changes;
        DiskCall call{
            .call = "write", .name = name_, .to = {}, .offset = offset, .size = bytes.size()};
        call.bytes = bytes;
        if (auto failure = fail("write")) {
            // Part of it may be there all the same.
            if (life_ == disk_->life) {
                call.kept = disk_->kept_of(bytes.size());
                apply(offset, bytes.first(call.kept));
            }
            call.result = failure->code;
            disk_->tell(call);
            return *std::move(failure);
        }
        const std::uint64_t end = offset + bytes.size();
        const std::uint64_t growth = end - std::min<std::uint64_t>(end, body_->visible.size());
        if (growth > 0 && disk_->used() + growth > disk_->capacity) {
            ++disk_->refusals;
            call.result = Errc::no_space;
            disk_->tell(call);
            return Failure{Errc::no_space, "write(" + name_ + "): the disk is full"};
        }
        apply(offset, bytes);
        disk_->tell(call);
        return {};
    }

    [[nodiscard]] Result<void, Failure> sync() override {
        const OwnMemory own;
        const std::lock_guard lock(disk_->mutex);
        ++disk_->changes;
        if (auto failure = enter("sync")) {
            // In a dying machine the writes are still under way, otherwise they are lost.
            if (!disk_->is_dying() && life_ == disk_->life) body_->unsynced.clear();
            return *std::move(failure);
        }
        disk_->sync(*body_, name_);
        disk_->tell("sync", name_, Errc::ok);
        return {};
    }

    [[nodiscard]] Result<std::uint64_t, Failure> size() const override {
        const OwnMemory own;
        const std::lock_guard lock(disk_->mutex);
        if (auto failure = enter("size")) return *std::move(failure);
        disk_->tell("size", name_, Errc::ok);
        return std::uint64_t{body_->visible.size()};
    }

private:
    // Counts a call and says why it fails, if it does.
    std::optional<Failure> fail(std::string_view call) const {
        if (auto failure = disk_->enter(call, name_)) return failure;
        if (life_ == disk_->life) return std::nullopt;
        return Failure{Errc::io_error, std::string(call) + "(" + name_ + "): from before a crash"};
    }
    // The same, and tells whoever watches.
    std::optional<Failure> enter(std::string_view call) const {
        auto failure = fail(call);
        if (failure) disk_->tell(call, name_, failure->code);
        return failure;
    }

    void apply(std::uint64_t offset, std::span<const std::byte> bytes) {
        put(body_->visible, offset, bytes);
        body_->unsynced.push_back({offset, {bytes.begin(), bytes.end()}});
    }

    const std::shared_ptr<MemStorage::Disk> disk_;
    const std::shared_ptr<Body> body_;
    const std::string name_;
    const std::uint64_t life_;
};

Failure no_such_file(std::string_view call, const std::string& name) {
    return {Errc::io_error, std::string(call) + "(" + name + "): no such file"};
}

}  // namespace

MemStorage::MemStorage() : disk_(std::make_shared<Disk>()) {}
MemStorage::MemStorage(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
MemStorage::~MemStorage() = default;

Result<std::vector<std::string>, Failure> MemStorage::list() const {
    const OwnMemory own;
    const std::lock_guard lock(disk_->mutex);
    if (auto failure = disk_->enter("list", "")) return disk_->refuse("list", "", *failure);
    std::vector<std::string> names;
    for (const auto& [name, body] : disk_->names)
        names.push_back(name);
    disk_->tell("list", "", Errc::ok);
    return names;
}

Result<std::unique_ptr<File>, Failure> MemStorage::create(const std::string& name) {
    const OwnMemory own;
    const std::lock_guard lock(disk_->mutex);
    ++disk_->changes;
    if (auto failure = disk_->enter("create", name)) return disk_->refuse("create", name, *failure);
    if (disk_->names.contains(name)) {
        return disk_->refuse("create", name,
                             {Errc::io_error, "create(" + name + "): there is one already"});
    }
    auto body = std::make_shared<Body>();
    disk_->change({.removed = {}, .added = name, .content = body});
    disk_->tell("create", name, Errc::ok);
    return std::unique_ptr<File>(std::make_unique<MemFile>(disk_, std::move(body), name));
}

Result<std::unique_ptr<File>, Failure> MemStorage::open(const std::string& name) {
    const OwnMemory own;
    const std::lock_guard lock(disk_->mutex);
    if (auto failure = disk_->enter("open", name)) return disk_->refuse("open", name, *failure);
    const auto found = disk_->names.find(name);
    if (found == disk_->names.end()) {
        return disk_->refuse("open", name, no_such_file("open", name));
    }
    disk_->tell("open", name, Errc::ok);
    return std::unique_ptr<File>(std::make_unique<MemFile>(disk_, found->second, name));
}

Result<void, Failure> MemStorage::rename(const std::string& from, const std::string& to) {
    const OwnMemory own;
    const std::lock_guard lock(disk_->mutex);
    ++disk_->changes;
    auto failure = disk_->enter("rename", from);
    const auto found = disk_->names.find(from);
    if (!failure && found == disk_->names.end()) failure = no_such_file("rename", from);
    const Errc result = failure ? failure->code : Errc::ok;
    disk_->tell({.call = "rename", .name = from, .to = to, .result = result});
    if (failure) return *std::move(failure);
    disk_->change({.removed = from, .added = to, .content = found->second});
    return {};
}

Result<void, Failure> MemStorage::remove(const std::string& name) {
    const OwnMemory own;
    const std::lock_guard lock(disk_->mutex);
    ++disk_->changes;
    if (auto failure = disk_->enter("remove", name)) return disk_->refuse("remove", name, *failure);
    if (!disk_->names.contains(name)) {
        return disk_->refuse("remove", name, no_such_file("remove", name));
    }
    disk_->change({.removed = name, .added = {}, .content = nullptr});
    disk_->tell("remove", name, Errc::ok);
    return {};
}

Result<void, Failure> MemStorage::sync_names() {
    const OwnMemory own;
    const std::lock_guard lock(disk_->mutex);
    ++disk_->changes;
    if (auto failure = disk_->enter("sync_names", "")) {
        return disk_->refuse("sync_names", "", *failure);
    }
    disk_->durable_names = disk_->names;
    disk_->unsynced.clear();
    disk_->tell("sync_names", "", Errc::ok);
    return {};
}

CrashLoss MemStorage::crash(std::mt19937_64& random) {
    const OwnMemory own;
    const std::lock_guard lock(disk_->mutex);
    CrashLoss loss;
    loss.names_kept = random() % (disk_->unsynced.size() + 1);
    loss.names_lost = disk_->unsynced.size() - loss.names_kept;
    for (std::size_t i = 0; i < loss.names_kept; ++i)
        disk_->unsynced[i].apply(disk_->durable_names);
    disk_->unsynced.clear();
    disk_->names = disk_->durable_names;
    for (const auto& [name, body] : disk_->names)
        lose_unsynced(*body, random, loss);
    disk_->end_process();
    return loss;
}

void MemStorage::kill() {
    const std::lock_guard lock(disk_->mutex);
    disk_->end_process();
}

std::uint64_t MemStorage::calls() const {
    const std::lock_guard lock(disk_->mutex);
    return disk_->calls;
}

std::uint64_t MemStorage::failures() const {
    const std::lock_guard lock(disk_->mutex);
    return disk_->failures;
}

std::uint64_t MemStorage::refusals() const {
    const std::lock_guard lock(disk_->mutex);
    return disk_->refusals;
}

std::uint64_t MemStorage::changes() const {
    const std::lock_guard lock(disk_->mutex);
    return disk_->changes;
}

void MemStorage::fail_call(std::uint64_t number, Errc code, std::uint64_t kept_permille) {
    const std::lock_guard lock(disk_->mutex);
    disk_->fail_at = number == 0 ? 0 : disk_->calls + number;
    disk_->fail_code = code;
    disk_->fail_kept_permille = kept_permille;
}

void MemStorage::die_at_call(std::uint64_t number, std::uint64_t kept_permille) {
    const std::lock_guard lock(disk_->mutex);
    disk_->aim = nullptr;
    disk_->die_at = number == 0 ? 0 : disk_->calls + number;
    disk_->die_kept_permille = kept_permille;
}

void MemStorage::die_behind(Aim aim, std::uint64_t number, std::uint64_t kept_permille) {
    const std::lock_guard lock(disk_->mutex);
    disk_->aim = std::move(aim);
    disk_->die_behind_aim = number;
    disk_->die_kept_permille = kept_permille;
}

void MemStorage::set_capacity(std::uint64_t size) {
    const std::lock_guard lock(disk_->mutex);
    disk_->capacity = size;
}

std::uint64_t MemStorage::used() const {
    const std::lock_guard lock(disk_->mutex);
    return disk_->used();
}

void MemStorage::lie_at_sync(std::uint64_t number, Lie lie) {
    const std::lock_guard lock(disk_->mutex);
    disk_->syncs_to_lie = number;
    disk_->lie = lie;
    disk_->told.reset();
}

std::optional<LieTold> MemStorage::lie_told() const {
    const std::lock_guard lock(disk_->mutex);
    return disk_->told;
}

void MemStorage::watch(DiskWatcher* watcher) {
    const std::lock_guard lock(disk_->mutex);
    disk_->watcher = watcher;
}

std::unique_ptr<MemStorage> MemStorage::clone() const {
    const OwnMemory own;
    const std::lock_guard lock(disk_->mutex);
    auto disk = std::make_shared<Disk>();
    std::map<const Body*, std::shared_ptr<Body>> copies;
    const auto copy = [&](const std::shared_ptr<Body>& body) {
        if (body == nullptr) return body;
        auto& made = copies[body.get()];
        if (!made) made = std::make_shared<Body>(*body);
        return made;
    };
    for (const auto& [name, body] : disk_->names)
        disk->names.emplace(name, copy(body));
    for (const auto& [name, body] : disk_->durable_names)
        disk->durable_names.emplace(name, copy(body));
    for (const NameChange& change : disk_->unsynced) {
        disk->unsynced.push_back({change.removed, change.added, copy(change.content)});
    }
    disk->capacity = disk_->capacity;
    return std::unique_ptr<MemStorage>(new MemStorage(std::move(disk)));
}

std::vector<std::string> MemStorage::names() const {
    const OwnMemory own;
    const std::lock_guard lock(disk_->mutex);
    std::vector<std::string> names;
    for (const auto& [name, body] : disk_->names)
        names.push_back(name);
    return names;
}

std::vector<std::byte> MemStorage::content(const std::string& name) const {
    const OwnMemory own;
    const std::lock_guard lock(disk_->mutex);
    const auto found = disk_->names.find(name);
    INOD_ASSERT(found != disk_->names.end());
    return found->second->visible;
}

// As if it had always been so: whatever has this name, or had it before a crash, is that file.
void MemStorage::set_content(const std::string& name, std::vector<std::byte> bytes) {
    const OwnMemory own;
    const std::lock_guard lock(disk_->mutex);
    auto body = std::make_shared<Body>();
    body->visible = bytes;
    body->durable = std::move(bytes);
    disk_->names.insert_or_assign(name, body);
    disk_->durable_names.insert_or_assign(name, body);
    for (NameChange& change : disk_->unsynced) {
        if (change.removed == name) change.removed.clear();
        if (change.added == name) change.content = body;
    }
}

void MemStorage::flip(const std::string& name, std::uint64_t offset, std::byte mask) {
    const std::lock_guard lock(disk_->mutex);
    const auto found = disk_->names.find(name);
    INOD_ASSERT(found != disk_->names.end() && offset < found->second->visible.size());
    found->second->visible[offset] ^= mask;
    if (offset < found->second->durable.size()) found->second->durable[offset] ^= mask;
}

}  // namespace inod::sim
