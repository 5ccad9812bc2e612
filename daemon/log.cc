#include "daemon/log.h"

#include <cstdlib>
#include <memory>
#include <string>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

namespace inod::daemon {
namespace {

// The priority of a line in angle brackets, as the journal reads it.
class PriorityFlag final : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg& line, const std::tm& /*time*/,
                spdlog::memory_buf_t& out) override {
        const std::string prefix = "<" + std::to_string(priority(line.level)) + ">";
        out.append(prefix.data(), prefix.data() + prefix.size());
    }
    [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<PriorityFlag>();
    }

private:
    static int priority(spdlog::level::level_enum level) {
        switch (level) {
            case spdlog::level::critical: return LOG_CRIT;
            case spdlog::level::err: return LOG_ERR;
            case spdlog::level::warn: return LOG_WARNING;
            case spdlog::level::info: return LOG_INFO;
            default: return LOG_DEBUG;
        }
    }
};

bool journal_reads_stderr() {
    const char* const stream = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    if (stream == nullptr || fstat(STDERR_FILENO, &status) != 0) return false;
    return stream == std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
    switch (level) {
        case LogLevel::debug: return spdlog::level::debug;
        case LogLevel::info: return spdlog::level::info;
        case LogLevel::warn: return spdlog::level::warn;
        case LogLevel::error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

}  // namespace

void set_log_level(LogLevel level) {
    spdlog::default_logger()->set_level(spdlog_level(level));
}

void set_up_log(LogLevel level) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<PriorityFlag>('*').set_pattern(
        journal_reads_stderr() ? "%*%v" : "%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
    auto logger = spdlog::stderr_color_mt("inod");
    logger->set_formatter(std::move(formatter));
    logger->set_level(spdlog_level(level));
    spdlog::set_default_logger(std::move(logger));
}

}  // namespace inod::daemon
