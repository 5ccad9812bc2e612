// The files of a configuration: which they are and what they hold.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "config/config.h"
#include "config/json_value.h"

namespace inod {
namespace {

namespace fs = std::filesystem;

// Far beyond any configuration; keeps a wrong path, /dev/zero for one, from eating the memory.
constexpr std::size_t file_size_max = std::size_t{16} << 20U;

Failure refuse(const std::string& file, const std::string& why) {
    return {Errc::config_invalid, printable(file + ": " + why)};
}

Failure refuse_errno(const std::string& file, const char* what, int error) {
    return refuse(file, std::string(what) + ": " + std::system_category().message(error));
}

struct Descriptor {
    int fd;

    explicit Descriptor(int opened) : fd(opened) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
};

// A pipe will do as well as a file: --config <(generate). With O_NONBLOCK nobody waits for what comes through it.
Result<Source, Failure> read_source(const std::string& file, int flags) {
    const Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | flags));
    if (in.fd < 0) return refuse_errno(file, "cannot be opened", errno);
    Source source{file, {}};
    char buffer[4096];
    while (true) {
        const ssize_t got = ::read(in.fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return refuse_errno(file, "cannot be read", errno);
        if (got == 0) return source;
        source.text.append(buffer, static_cast<std::size_t>(got));
        if (source.text.size() > file_size_max) {
            return refuse(file, "has more than " + std::to_string(file_size_max) + " bytes");
        }
    }
}

std::string drop_in_directory(const std::string& file) {
    constexpr std::string_view suffix = ".json";
    return (file.ends_with(suffix) ? file.substr(0, file.size() - suffix.size()) : file) + ".d";
}

Result<std::vector<std::string>, Failure> drop_ins(const std::string& directory) {
    std::vector<std::string> names;
    std::error_code error;
    fs::directory_iterator entry(directory, error);
    if (error == std::errc::no_such_file_or_directory) return names;
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name.ends_with(".json") && name.front() != '.') names.push_back(name);
    }
    if (error) return refuse_errno(directory, "cannot be listed", error.value());
    std::sort(names.begin(), names.end());
    return names;
}

Result<Config, Failure> load(const std::string& file, int flags) {
    auto main_source = read_source(file, flags);
    if (!main_source) return main_source.error();
    std::vector<Source> sources;
    sources.push_back(*std::move(main_source));

    const std::string directory = drop_in_directory(file);
    const auto names = drop_ins(directory);
    if (!names) return names.error();
    for (const std::string& name : *names) {
        auto source = read_source((fs::path(directory) / name).string(), flags);
        if (!source) return source.error();
        sources.push_back(*std::move(source));
    }
    return parse_config(sources);
}

}  // namespace

Result<Config, Failure> load_config(const std::string& file) {
    return load(file, 0);
}

Result<Config, Failure> reload_config(const std::string& file) {
    return load(file, O_NONBLOCK);
}

}  // namespace inod
