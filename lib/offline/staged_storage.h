// A store that is made in a directory and is not to be seen there before it is whole: until then
// its files have "import-" in front of their names, and no start looks at them.
//
// Thread safety and errors: as lib/base/storage.h says.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/base/storage.h"

namespace inod {

class StagedStorage final : public Storage {
public:
    // Requires that `directory`, which outlives it, has no files with such names.
    explicit StagedStorage(Storage& directory) : directory_(directory) {}

    // The staged files alone, by the names that they are to have.
    [[nodiscard]] Result<std::vector<std::string>, Failure> list() const override;
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> create(const std::string& name) override;
    [[nodiscard]] Result<std::unique_ptr<File>, Failure> open(const std::string& name) override;
    [[nodiscard]] Result<void, Failure> rename(const std::string& from,
                                               const std::string& to) override;
    [[nodiscard]] Result<void, Failure> remove(const std::string& name) override;
    [[nodiscard]] Result<void, Failure> sync_names() override { return directory_.sync_names(); }

    // Gives all files their names, one by one, and then durably.
    [[nodiscard]] Result<void, Failure> publish();

    // Removes all files, published ones too; what cannot be removed stays.
    void discard() noexcept;

private:
    Storage& directory_;
    std::vector<std::string> published_;
};

}  // namespace inod
