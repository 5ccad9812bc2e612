#include "tests/sim/figures.h"

#include <cstdio>

#include "tests/sim/story.h"

namespace inod::sim {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Count::end)> count_names = {
    "stores",
    "lives: 200 operations or more, and a crash",
    "starts",
    "  from a snapshot",
    "  made twice, and compared",
    "  that cut a torn tail",
    "client operations",
    "  leases",
    "    of the lowest numbers",
    "    aligned",
    "    of counters",
    "    with which a pool wrapped",
    "    of what was given back, and rested",
    "    of what rested, and there was nothing else",
    "  claims",
    "    of what is reserved",
    "    refused, since it rests",
    "  reserved by an administrator",
    "  given back by him",
    "  had a pool go on above a number",
    "  releases",
    "  holders bound",
    "    that came back",
    "    renewed",
    "    ended",
    "    ended, since their time was over",
    "sweeps of what they left behind",
    "  lookups",
    "  lists",
    "  refusals",
    "groups synced",
    "  operations while one was under way",
    "operations while another waited for memory",
    "requests told to ask again",
    "snapshots",
    "  operations while one was under way",
    "segments opened",
    "  in files that held one before",
    "spares made",
    "clean stops",
    "kill -9",
    "power cuts",
    "starts after the machine was started",
    "  holders found again at a start",
    "  holders that were gone with the machine",
    "crashes with a snapshot under way",
    "  unsynced writes kept",
    "  unsynced writes lost",
    "  unsynced writes torn",
    "  directory operations kept",
    "  directory operations lost",
    "releases with memory and budget refused",
    "releases on a full disk",
    "stops because the disk was full",
    "starts refused because the disk was full",
    "starts that needed more memory than a life",
    "damage: the start was refused",
    "damage: the last group was cut",
    "damage: made no difference",
};

constexpr std::array<std::string_view, static_cast<std::size_t>(Fault::end)> fault_names = {
    "crash in a call to the disk",
    "crash in a start",
    "crash in a clean stop",
    "EIO at a call",
    "EIO or ENOSPC in a start",
    "ENOSPC at a call",
    "short write, then an error or a crash",
    "full disk",
    "memory refused in a request",
    "memory refused in a flush",
    "memory refused in a start",
    "budget used up in a request",
    "small budget for a store",
    "bit flip",
    "stale sector",
    "misdirected write",
};

void add_row(std::string& text, std::string_view name, std::uint64_t first,
             const std::uint64_t* second) {
    std::array<char, 128> row{};
    if (second == nullptr) {
        std::snprintf(row.data(), row.size(), "%-46.*s %12llu\n", static_cast<int>(name.size()),
                      name.data(), static_cast<unsigned long long>(first));
    } else {
        std::snprintf(row.data(), row.size(), "%-46.*s %12llu %12llu\n",
                      static_cast<int>(name.size()), name.data(),
                      static_cast<unsigned long long>(first),
                      static_cast<unsigned long long>(*second));
    }
    text += row.data();
}

}  // namespace

std::string_view name(Count count) {
    return count_names.at(static_cast<std::size_t>(count));
}

std::string_view name(Fault fault) {
    return fault_names.at(static_cast<std::size_t>(fault));
}

void Figures::add(const Figures& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i)
        counts_.at(i) += other.counts_.at(i);
    for (std::size_t i = 0; i < met_.size(); ++i) {
        injected_.at(i) += other.injected_.at(i);
        met_.at(i) += other.met_.at(i);
    }
    for (std::size_t i = 0; i < crashes_.size(); ++i)
        crashes_.at(i) += other.crashes_.at(i);
}

std::string Figures::table() const {
    std::string text;
    for (std::size_t i = 0; i < counts_.size(); ++i)
        add_row(text, count_names.at(i), counts_.at(i), nullptr);
    text += "\ncrashes in a call to the disk, at\n";
    for (std::size_t i = 0; i < crashes_.size(); ++i)
        add_row(text, text_of("  ", name(static_cast<Step>(i))), crashes_.at(i), nullptr);
    std::array<char, 128> heading{};
    std::snprintf(heading.data(), heading.size(), "\n%-46s %12s %12s\n", "fault", "injected",
                  "met");
    text += heading.data();
    for (std::size_t i = 0; i < met_.size(); ++i)
        add_row(text, fault_names.at(i), injected_.at(i), &met_.at(i));
    return text;
}

}  // namespace inod::sim
