#include "cli/holders.h"

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include "cli/report.h"
#include "lib/base/owned_fd.h"

namespace inod::cli {
namespace {

Result<std::vector<HolderPage::Entry>, Failure> all_holders(Client& client) {
    std::vector<HolderPage::Entry> all;
    for (std::uint32_t from = 0;;) {
        auto page = client.holders(from);
        if (!page) return failure_of(client, page.error());
        for (HolderPage::Entry& holder : page->holders)
            all.push_back(std::move(holder));
        if (!page->more || all.back().record.index == UINT32_MAX) return all;
        from = all.back().record.index + 1;
    }
}

// The user's own holder of that name.
Result<proto::HolderRecord, Failure> find_named(Client& client, const std::string& name) {
    const auto all = all_holders(client);
    if (!all) return all.error();
    std::optional<proto::HolderRecord> found;
    for (const HolderPage::Entry& holder : *all) {
        if (holder.name != name || holder.record.uid != ::geteuid()) continue;
        if (found) {
            return Failure{Errc::holder_unknown, "holder_unknown: two of your holders are named '" +
                                                     name + "'; inoctl holders has their numbers"};
        }
        found = holder.record;
    }
    if (found) return *found;
    return Failure{Errc::holder_unknown,
                   "holder_unknown: none of your holders is named '" + name + "'"};
}

// Acts as a holder that is there. One that ended just now is made anew by this, if nobody else has: that one
// holds nothing of ours.
Result<proto::BindReply, Failure> bind_named(Client& client, const std::string& name) {
    const auto found = find_named(client, name);
    if (!found) return found.error();
    HolderWish wish{.binding = found->binding, .name = name};
    if (found->binding == proto::Binding::ttl) wish.ttl = std::chrono::milliseconds(1);
    const auto bound = client.bind(wish);
    if (!bound) return failure_of(client, bound.error());
    if (bound->holder == found->holder) return *bound;
    return Failure{Errc::holder_ended, describe(Errc::holder_ended, {})};
}

// The one with the time limit that has this key; it is renewed by that.
Result<proto::BindReply, Failure> bind_keyed(Client& client, const proto::HolderKey& key) {
    const auto bound = client.bind(
        {.binding = proto::Binding::ttl, .ttl = std::chrono::milliseconds(1), .key = key});
    if (!bound) return failure_of(client, bound.error());
    return *bound;
}

Result<OwnedFd, Failure> pidfd_of(pid_t pid) {
    OwnedFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (pidfd) return pidfd;
    return Failure{Errc::process_unknown, "process_unknown: process " + std::to_string(pid) + ": " +
                                              std::generic_category().message(errno)};
}

void print_renewed(const proto::BindReply& bound, Format format) {
    if (format == Format::off) {
        print_line("holder=" + std::to_string(bound.holder));
    } else {
        print(Json{{"holder", bound.holder}}, format);
    }
}

}  // namespace

Result<proto::BindReply, Failure> bind_as_wished(Client& client, const Options& options) {
    HolderWish wish{.binding = options.bind->binding,
                    .name = options.name,
                    .ttl = options.bind->ttl,
                    .key = options.key};
    OwnedFd pidfd;
    if (options.pid) {
        auto opened = pidfd_of(*options.pid);
        if (!opened) return opened.error();
        pidfd = std::move(*opened);
    }
    const auto bound = client.bind(wish, pidfd ? std::optional(pidfd.get()) : std::nullopt);
    if (!bound) return failure_of(client, bound.error());
    return *bound;
}

Result<void, Failure> act_as_named(Client& client, const Options& options) {
    const bool has_key = options.key != proto::HolderKey{};
    if (!has_key && options.name.empty()) return {};
    const auto bound = has_key ? bind_keyed(client, options.key) : bind_named(client, options.name);
    if (!bound) return bound.error();
    return {};
}

ExitStatus renew(Client& client, const Options& options) {
    const bool has_key = options.key != proto::HolderKey{};
    const auto bound = has_key ? bind_keyed(client, options.key) : bind_named(client, options.name);
    if (!bound) return fail(bound.error());
    print_renewed(*bound, options.format);
    return ExitStatus::ok;
}

// Named, it is looked for and not bound, so that a holder that just ended is not made anew.
ExitStatus release_all(Client& client, const Options& options) {
    std::uint64_t holder = options.holder.value_or(0);  // 0: as which it acts
    if (!options.name.empty()) {
        const auto found = find_named(client, options.name);
        if (!found) return fail(found.error());
        holder = found->holder;
    }
    const auto released = client.release_all(holder);
    if (!released) return fail(client, released.error());
    if (options.format == Format::off) {
        print_line(std::to_string(*released));
    } else {
        print(Json{{"count", *released}}, options.format);
    }
    return ExitStatus::ok;
}

ExitStatus holders(Client& client, const Options& options) {
    const auto all = all_holders(client);
    if (!all) return fail(all.error());
    if (options.format == Format::off) {
        std::printf("%s", text_of(*all).c_str());
        return ExitStatus::ok;
    }
    Json list = Json::array();
    for (const HolderPage::Entry& holder : *all)
        list.push_back(json_of(holder));
    print(list, options.format);
    return ExitStatus::ok;
}

}  // namespace inod::cli
