#include "tests/sim/mem_storage.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

#include "lib/base/assert.h"

namespace inod::sim {
namespace {

constexpr std::size_t sector_size = 512;

struct Write {
    std::uint64_t offset;
    std::vector<std::byte> bytes;
};

// What a file is apart from its names.
struct Body {
    std::vector<std::byte> visible;
    std::vector<std::byte> durable;
    std::vector<Write> unsynced;  // in order
};

using Names = std::map<std::string, std::shared_ptr<Body>>;

void put(std::vector<std::byte>& content, std::uint64_t offset, std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
    std::memcpy(content.data() + offset, bytes.data(), bytes.size());
}

// Puts those sectors of `write` into `content` that `keep` says.
template <class Keep>
void put_sectors(std::vector<std::byte>& content, const Write& write, Keep keep) {
    std::size_t done = 0;
    while (done < write.bytes.size()) {
        const std::size_t to_boundary = sector_size - (write.offset + done) % sector_size;
        const std::size_t size = std::min(to_boundary, write.bytes.size() - done);
        if (keep()) put(content, write.offset + done, std::span(write.bytes).subspan(done, size));
        done += size;
    }
}

void lose_unsynced(Body& body, std::mt19937_64& random) {
    for (const Write& write : body.unsynced) {
        switch (random() % 3) {
            case 0: break;
            case 1: put(body.durable, write.offset, write.bytes); break;
            default: put_sectors(body.durable, write, [&] { return random() % 2 == 0; }); break;
        }
    }
    body.unsynced.clear();
    body.visible = body.durable;
}

}  // namespace

struct MemStorage::Disk {
    mutable std::mutex mutex;
    Names names;
    // What the directory was at the last sync_names(), then after each operation since.
    std::vector<Names> history{Names{}};
    std::uint64_t life = 0;  // rises with each crash; Files remember theirs
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    std::uint64_t fail_at = 0;  // a number of `calls`; 0: never
    Errc fail_code = Errc::io_error;
    std::uint64_t die_at = 0;  // likewise
    std::uint64_t capacity = std::numeric_limits<std::uint64_t>::max();

    [[nodiscard]] bool is_dying() const { return die_at != 0 && calls >= die_at; }

    // Counts a call and says why it is to fail, if it is.
    std::optional<Failure> enter(const char* call, const std::string& name) {
        ++calls;
        const bool dead = is_dying();
        if (!dead && calls != fail_at) return std::nullopt;
        ++failures;
        return Failure{dead ? Errc::io_error : fail_code,
                       std::string(call) + "(" + name + "): made to fail"};
    }

    [[nodiscard]] std::uint64_t used() const {
        std::uint64_t size = 0;
        for (const auto& [name, body] : names)
            size += body->visible.size();
        return size;
    }
};

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
        const std::lock_guard lock(disk_->mutex);
        if (auto failure = enter("read")) return *std::move(failure);
        const std::uint64_t size = body_->visible.size();
        if (offset >= size) return std::size_t{0};
        const std::size_t count = std::min<std::uint64_t>(out.size(), size - offset);
        std::memcpy(out.data(), body_->visible.data() + offset, count);
        return count;
    }

    [[nodiscard]] Result<void, Failure> write(std::uint64_t offset,
                                              std::span<const std::byte> bytes) override {
        const std::lock_guard lock(disk_->mutex);
        if (auto failure = enter("write")) {
            // Part of it may be there all the same. Which part is as good as any: the first half.
            if (life_ == disk_->life) apply(offset, bytes.first(bytes.size() / 2));
            return *std::move(failure);
        }
        const std::uint64_t end = offset + bytes.size();
        const std::uint64_t growth = end - std::min<std::uint64_t>(end, body_->visible.size());
        if (growth > 0 && disk_->used() + growth > disk_->capacity) {
            return Failure{Errc::no_space, "write(" + name_ + "): the disk is full"};
        }
        apply(offset, bytes);
        return {};
    }

    [[nodiscard]] Result<void, Failure> sync() override {
        const std::lock_guard lock(disk_->mutex);
        if (auto failure = enter("sync")) {
            // In a dying machine the writes are still under way, otherwise they are lost.
            if (!disk_->is_dying() && life_ == disk_->life) body_->unsynced.clear();
            return *std::move(failure);
        }
        for (const Write& write : body_->unsynced)
            put(body_->durable, write.offset, write.bytes);
        body_->unsynced.clear();
        return {};
    }

    [[nodiscard]] Result<std::uint64_t, Failure> size() const override {
        const std::lock_guard lock(disk_->mutex);
        if (auto failure = enter("size")) return *std::move(failure);
        return std::uint64_t{body_->visible.size()};
    }

private:
    std::optional<Failure> enter(const char* call) const {
        if (auto failure = disk_->enter(call, name_)) return failure;
        if (life_ == disk_->life) return std::nullopt;
        return Failure{Errc::io_error, std::string(call) + "(" + name_ + "): from before a crash"};
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

Failure no_such_file(const char* call, const std::string& name) {
    return {Errc::io_error, std::string(call) + "(" + name + "): no such file"};
}

}  // namespace

MemStorage::MemStorage() : disk_(std::make_shared<Disk>()) {}
MemStorage::MemStorage(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
MemStorage::~MemStorage() = default;

Result<std::vector<std::string>, Failure> MemStorage::list() const {
    const std::lock_guard lock(disk_->mutex);
    if (auto failure = disk_->enter("list", "")) return *std::move(failure);
    std::vector<std::string> names;
    for (const auto& [name, body] : disk_->names)
        names.push_back(name);
    return names;
}

Result<std::unique_ptr<File>, Failure> MemStorage::create(const std::string& name) {
    const std::lock_guard lock(disk_->mutex);
    if (auto failure = disk_->enter("create", name)) return *std::move(failure);
    auto body = std::make_shared<Body>();
    if (!disk_->names.emplace(name, body).second) {
        return Failure{Errc::io_error, "create(" + name + "): there is one already"};
    }
    disk_->history.push_back(disk_->names);
    return std::unique_ptr<File>(std::make_unique<MemFile>(disk_, std::move(body), name));
}

Result<std::unique_ptr<File>, Failure> MemStorage::open(const std::string& name) {
    const std::lock_guard lock(disk_->mutex);
    if (auto failure = disk_->enter("open", name)) return *std::move(failure);
    const auto found = disk_->names.find(name);
    if (found == disk_->names.end()) return no_such_file("open", name);
    return std::unique_ptr<File>(std::make_unique<MemFile>(disk_, found->second, name));
}

Result<void, Failure> MemStorage::rename(const std::string& from, const std::string& to) {
    const std::lock_guard lock(disk_->mutex);
    if (auto failure = disk_->enter("rename", from)) return *std::move(failure);
    const auto found = disk_->names.find(from);
    if (found == disk_->names.end()) return no_such_file("rename", from);
    const auto body = found->second;
    disk_->names.erase(found);
    disk_->names.insert_or_assign(to, body);
    disk_->history.push_back(disk_->names);
    return {};
}

Result<void, Failure> MemStorage::remove(const std::string& name) {
    const std::lock_guard lock(disk_->mutex);
    if (auto failure = disk_->enter("remove", name)) return *std::move(failure);
    if (disk_->names.erase(name) == 0) return no_such_file("remove", name);
    disk_->history.push_back(disk_->names);
    return {};
}

Result<void, Failure> MemStorage::sync_names() {
    const std::lock_guard lock(disk_->mutex);
    if (auto failure = disk_->enter("sync_names", "")) return *std::move(failure);
    disk_->history.assign(1, disk_->names);
    return {};
}

void MemStorage::crash(std::mt19937_64& random) {
    const std::lock_guard lock(disk_->mutex);
    const std::size_t kept = random() % disk_->history.size();
    disk_->names = disk_->history[kept];
    disk_->history.assign(1, disk_->names);
    for (const auto& [name, body] : disk_->names)
        lose_unsynced(*body, random);
    ++disk_->life;
    disk_->die_at = 0;
}

std::uint64_t MemStorage::calls() const {
    const std::lock_guard lock(disk_->mutex);
    return disk_->calls;
}

std::uint64_t MemStorage::failures() const {
    const std::lock_guard lock(disk_->mutex);
    return disk_->failures;
}

void MemStorage::fail_call(std::uint64_t number, Errc code) {
    const std::lock_guard lock(disk_->mutex);
    disk_->fail_at = number == 0 ? 0 : disk_->calls + number;
    disk_->fail_code = code;
}

void MemStorage::die_at_call(std::uint64_t number) {
    const std::lock_guard lock(disk_->mutex);
    disk_->die_at = number == 0 ? 0 : disk_->calls + number;
}

void MemStorage::set_capacity(std::uint64_t size) {
    const std::lock_guard lock(disk_->mutex);
    disk_->capacity = size;
}

std::unique_ptr<MemStorage> MemStorage::clone() const {
    const std::lock_guard lock(disk_->mutex);
    auto disk = std::make_shared<Disk>();
    std::map<const Body*, std::shared_ptr<Body>> copies;
    const auto copy_names = [&](const Names& names) {
        Names result;
        for (const auto& [name, body] : names) {
            auto& copy = copies[body.get()];
            if (!copy) copy = std::make_shared<Body>(*body);
            result.emplace(name, copy);
        }
        return result;
    };
    disk->history.clear();
    for (const Names& names : disk_->history)
        disk->history.push_back(copy_names(names));
    disk->names = copy_names(disk_->names);
    disk->capacity = disk_->capacity;
    return std::unique_ptr<MemStorage>(new MemStorage(std::move(disk)));
}

std::vector<std::byte> MemStorage::content(const std::string& name) const {
    const std::lock_guard lock(disk_->mutex);
    const auto found = disk_->names.find(name);
    INOD_ASSERT(found != disk_->names.end());
    return found->second->visible;
}

void MemStorage::set_content(const std::string& name, std::vector<std::byte> bytes) {
    const std::lock_guard lock(disk_->mutex);
    auto body = std::make_shared<Body>();
    body->visible = bytes;
    body->durable = std::move(bytes);
    disk_->names.insert_or_assign(name, body);
    for (Names& names : disk_->history)
        names.insert_or_assign(name, body);
}

void MemStorage::flip(const std::string& name, std::uint64_t offset, std::byte mask) {
    const std::lock_guard lock(disk_->mutex);
    const auto found = disk_->names.find(name);
    INOD_ASSERT(found != disk_->names.end() && offset < found->second->visible.size());
    found->second->visible[offset] ^= mask;
    if (offset < found->second->durable.size()) found->second->durable[offset] ^= mask;
}

}  // namespace inod::sim
