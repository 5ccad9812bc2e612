#include "lib/offline/staged_storage.h"

#include <new>
#include <string_view>

namespace inod {
namespace {

constexpr std::string_view prefix = "import-";

std::string staged(const std::string& name) {
    return std::string(prefix) + name;
}

}  // namespace

Result<std::vector<std::string>, Failure> StagedStorage::list() const {
    const auto all = directory_.list();
    if (!all) return all.error();
    std::vector<std::string> names;
    for (const std::string& name : *all) {
        if (name.starts_with(prefix)) names.push_back(name.substr(prefix.size()));
    }
    return names;
}

Result<std::unique_ptr<File>, Failure> StagedStorage::create(const std::string& name) {
    return directory_.create(staged(name));
}

Result<std::unique_ptr<File>, Failure> StagedStorage::open(const std::string& name) {
    return directory_.open(staged(name));
}

Result<void, Failure> StagedStorage::rename(const std::string& from, const std::string& to) {
    return directory_.rename(staged(from), staged(to));
}

Result<void, Failure> StagedStorage::remove(const std::string& name) {
    return directory_.remove(staged(name));
}

Result<void, Failure> StagedStorage::publish() {
    const auto names = list();
    if (!names) return names.error();
    for (const std::string& name : *names) {
        published_.push_back(name);  // even if it fails: nobody knows then what it is called
        if (auto renamed = directory_.rename(staged(name), name); !renamed) return renamed;
    }
    return sync_names();
}

void StagedStorage::discard() noexcept {
    try {
        const auto names = list();
        const bool has_any = !published_.empty() || (names && !names->empty());
        for (const std::string& name : published_)
            static_cast<void>(directory_.remove(name));
        if (names) {
            for (const std::string& name : *names)
                static_cast<void>(remove(name));
        }
        if (has_any) static_cast<void>(sync_names());
    } catch (const std::bad_alloc&) {
        return;
    }
}

}  // namespace inod
