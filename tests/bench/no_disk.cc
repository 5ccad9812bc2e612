// The daemon on a storage that keeps nothing: what the journal costs is what it is faster by than the
// same daemon on a disk. Its witness is on the disk, as the other's is.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "config/config.h"
#include "daemon/log.h"
#include "daemon/server.h"

namespace inod::bench {
namespace {

// Takes what is written, and forgets it.
class ForgetfulFile final : public File {
public:
    Result<std::size_t, Failure> read(std::uint64_t /*offset*/,
                                      std::span<std::byte> /*out*/) const override {
        return Failure{Errc::io_error, "nothing is kept here"};
    }
    Result<void, Failure> write(std::uint64_t offset, std::span<const std::byte> bytes) override {
        size_ = std::max(size_, offset + bytes.size());
        return {};
    }
    Result<void, Failure> sync() override { return {}; }
    Result<std::uint64_t, Failure> size() const override { return size_; }

private:
    std::uint64_t size_ = 0;
};

// There never is a file to be found in it.
class ForgetfulStorage final : public Storage {
public:
    Result<std::vector<std::string>, Failure> list() const override {
        return std::vector<std::string>();
    }
    Result<std::unique_ptr<File>, Failure> create(const std::string& /*name*/) override {
        return std::unique_ptr<File>(std::make_unique<ForgetfulFile>());
    }
    Result<std::unique_ptr<File>, Failure> open(const std::string& name) override {
        return Failure{Errc::io_error, name + ": nothing is kept here"};
    }
    Result<void, Failure> rename(const std::string& /*from*/, const std::string& /*to*/) override {
        return {};
    }
    Result<void, Failure> remove(const std::string& /*name*/) override { return {}; }
    Result<void, Failure> sync_names() override { return {}; }
};

int run(const std::string& config_file, const std::string& state_dir, const std::string& socket) {
    auto config = load_config(config_file);
    if (!config) {
        std::fprintf(stderr, "inod_without_disk: %s\n", config.error().message.c_str());
        return 1;
    }
    config->state_dir = state_dir;
    config->socket = socket;
    daemon::set_up_log(config->log_level);
    const auto load = [&config] { return config; };
    return static_cast<int>(daemon::serve(*config, load, [](const std::string& /*directory*/) {
        return Result<std::unique_ptr<Storage>, Failure>(std::make_unique<ForgetfulStorage>());
    }));
}

}  // namespace
}  // namespace inod::bench

int main(int argc, char** argv) {
    std::string config;
    std::string state_dir;
    std::string socket;
    CLI::App app{"The daemon on a storage that keeps nothing"};
    app.add_option("--config", config, "Configuration")->required();
    app.add_option("--state-dir", state_dir, "Where nothing is kept; its witness is beside it")
        ->required();
    app.add_option("--socket", socket, "Where clients connect")->required();
    CLI11_PARSE(app, argc, argv);
    return inod::bench::run(config, state_dir, socket);
}
