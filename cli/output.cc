#include "cli/output.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <span>

#include "cli/arguments.h"
#include "lib/base/hex.h"
#include "proto/stats.h"

namespace inod::cli {
namespace {

constexpr int indent = 2;

// One line of columns, each as wide as its widest cell.
template <std::size_t columns>
std::string table(const std::vector<std::array<std::string, columns>>& rows) {
    std::array<std::size_t, columns> widths{};
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < columns; ++i)
            widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < columns; ++i) {
            line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

// Another user's text does nothing to a terminal, nor does it make a second line.
std::string printable(const std::string& text) {
    std::string shown;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_control = byte < 0x20 || byte >= 0x7f;
        shown += is_control ? "\\x" + hex(std::as_bytes(std::span(&c, 1))) : std::string(1, c);
    }
    return shown;
}

// What the number that comes with an error means; empty if it means nothing.
std::string detail_text(const Error& error) {
    const std::string number = std::to_string(error.detail);
    switch (error.code) {
        case Errc::id_out_of_range:
        case Errc::id_taken:
        case Errc::id_burned:
        case Errc::released:
        case Errc::never_allocated:
        case Errc::not_holder:
        case Errc::held_below:
        case Errc::id_reserved:
        case Errc::id_resting:
        case Errc::not_reserved: return "ID " + number;
        case Errc::stale_generation: return "now " + number;
        case Errc::align_invalid:
        case Errc::quota_exceeded:
        case Errc::lease_too_large: return "at most " + number;
        case Errc::pool_exhausted:
            return error.detail == 0 ? std::string()
                                     : "or wait: the next one is free in " + number + " ms";
        default: return {};
    }
}

}  // namespace

Json json_of(const std::string& pool, const proto::LeaseReply& lease) {
    return {{"pool", pool},
            {"first", lease.range.first},
            {"last", lease.range.last},
            {"count", lease.range.count()},
            {"generation", lease.generation}};
}

Json json_of(const std::string& pool, const proto::LeaseRecord& lease) {
    Json json =
        json_of(pool, proto::LeaseReply{.range = lease.range, .generation = lease.generation});
    json["uid"] = lease.uid;
    json["gid"] = lease.gid;
    json["binding"] = name(lease.binding);
    json["holder"] = lease.holder;
    return json;
}

Json json_of(const HolderPage::Entry& holder) {
    const proto::HolderRecord& record = holder.record;
    const auto unless_zero = [](std::uint64_t number) {
        return number == 0 ? Json() : Json(number);
    };
    return {{"holder", record.holder},
            {"binding", name(record.binding)},
            {"uid", record.uid},
            {"gid", record.gid},
            {"pid", unless_zero(record.pid)},
            {"ids", record.ids},
            {"left_ms", unless_zero(record.left_ms)},
            {"name", holder.name.empty() ? Json() : Json(holder.name)}};
}

Json json_of(const std::string& pool, const proto::Event& event) {
    const bool has_ids = event.kind != proto::EventKind::holder_ended;
    const bool has_holder = event.holder != 0;
    const auto if_it_has = [](bool has, std::uint64_t number) {
        return has ? Json(number) : Json();
    };
    return {{"lsn", event.lsn},
            {"event", name(event.kind)},
            {"pool", pool},
            {"first", if_it_has(has_ids, event.range.first)},
            {"last", if_it_has(has_ids, event.range.last)},
            {"count", if_it_has(has_ids, event.range.count())},
            {"generation", if_it_has(has_ids, event.generation)},
            {"uid", if_it_has(has_holder, event.uid)},
            {"holder", if_it_has(has_holder, event.holder)}};
}

Json json_of(const PoolInfo& pool) {
    return {{"pool", pool.name},
            {"index", pool.index},
            {"policy", name(pool.policy)},
            {"durability", name(pool.durability)},
            {"min", pool.range.first},
            {"max", pool.range.last},
            {"lease_count_max", pool.lease_count_max}};
}

Json json_of(const std::vector<proto::Stat>& stats) {
    Json json = Json::object();
    for (const proto::Stat& stat : stats) {
        if (const auto known = proto::name(stat.id); known != "unknown") {
            json[std::string(known)] = stat.value;
        }
    }
    return json;
}

std::string text_of(const proto::LeaseRecord& lease) {
    return text_of(lease.range, lease.generation) + " uid=" + std::to_string(lease.uid) +
           " gid=" + std::to_string(lease.gid) + " binding=" + std::string(name(lease.binding)) +
           " holder=" + std::to_string(lease.holder);
}

std::string text_of(const proto::Event& event) {
    std::string text = std::to_string(event.lsn) + " " + std::string(name(event.kind));
    if (event.kind != proto::EventKind::holder_ended) {
        text += " " + text_of(event.range, event.generation);
    }
    if (event.holder == 0) return text;
    return text + " uid=" + std::to_string(event.uid) + " holder=" + std::to_string(event.holder);
}

std::string text_of(const std::vector<PoolInfo>& pools) {
    std::vector<std::array<std::string, 6>> rows{
        {"POOL", "POLICY", "DURABILITY", "MIN", "MAX", "LEASE_COUNT_MAX"}};
    for (const PoolInfo& pool : pools) {
        rows.push_back({pool.name, std::string(name(pool.policy)),
                        std::string(name(pool.durability)), std::to_string(pool.range.first),
                        std::to_string(pool.range.last), std::to_string(pool.lease_count_max)});
    }
    return table(rows);
}

std::string text_of(const std::vector<proto::Stat>& stats) {
    std::vector<std::array<std::string, 2>> rows;
    for (const proto::Stat& stat : stats) {
        if (const auto known = proto::name(stat.id); known != "unknown") {
            rows.push_back({std::string(known), std::to_string(stat.value)});
        }
    }
    return table(rows);
}

std::string text_of(const std::vector<HolderPage::Entry>& holders) {
    std::vector<std::array<std::string, 8>> rows{
        {"HOLDER", "BINDING", "UID", "GID", "PID", "IDS", "LEFT", "NAME"}};
    for (const HolderPage::Entry& holder : holders) {
        const proto::HolderRecord& record = holder.record;
        rows.push_back(
            {std::to_string(record.holder), std::string(name(record.binding)),
             std::to_string(record.uid), std::to_string(record.gid),
             record.pid == 0 ? "-" : std::to_string(record.pid), std::to_string(record.ids),
             record.left_ms == 0 ? "-" : text_of(std::chrono::milliseconds(record.left_ms)),
             printable(holder.name)});
    }
    return table(rows);
}

std::string describe(const Error& error, const std::string& own_text) {
    std::string text(name(error.code));
    text += ": " + (own_text.empty() ? std::string(explanation(error.code)) : own_text);
    if (const std::string detail = detail_text(error); !detail.empty()) text += " (" + detail + ")";
    return text;
}

std::string word_of(const Json& value) {
    if (value.is_null()) return "-";
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string line_of(const Json& object) {
    std::string line;
    for (const auto& [key, value] : object.items())
        line += " " + key + "=" + word_of(value);
    return line;
}

void print(const Json& json, Format format) {
    const std::string text = json.dump(format == Format::pretty ? indent : -1, ' ', false,
                                       Json::error_handler_t::replace);
    std::printf("%s\n", text.c_str());
}

bool is_all_printed() {
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

}  // namespace inod::cli
