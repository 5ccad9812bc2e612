#include "cli/offline.h"

#include <cstdio>
#include <utility>

#include "cli/state_directory.h"
#include "lib/base/hex.h"
#include "lib/offline/check.h"
#include "lib/offline/dump.h"
#include "lib/offline/export.h"

namespace inod::cli {
namespace {

ExitStatus refuse(const OfflineOptions& options, Failure failure) {
    // What comes from the store names a file of it at most.
    if (failure.message.find(options.path) == std::string::npos) {
        failure.message = called(options.path) + ": " + failure.message;
    }
    return cli::refuse(failure);
}

ExitStatus printed(ExitStatus status) {
    if (is_all_printed()) return status;
    std::fprintf(stderr, "inoctl: cannot write to standard output\n");
    return ExitStatus::unheard;
}

Json json_of(const CheckReport::PoolReport& pool) {
    const SequenceState& sequence = pool.sequence;
    const auto number = [](std::optional<Id> id) { return id ? Json(*id) : Json(); };
    return {{"pool", pool.spec.name},
            {"policy", name(pool.spec.policy)},
            {"durability", name(pool.spec.durability)},
            {"min", pool.spec.range.first},
            {"max", pool.spec.range.last},
            {"live_ids", pool.live_ids},
            {"live_runs", pool.live_runs},
            {"highest", number(sequence.highest)},
            {"mark", number(sequence.mark)},
            {"generation", sequence.generation}};
}

Json json_of(const Recovery::TornTail& tail) {
    return {
        {"file", tail.file}, {"segment", tail.segment}, {"offset", tail.offset}, {"lsn", tail.lsn}};
}

Json json_of(const CheckReport& report) {
    Json json{{"sound", report.damage.empty()}};
    if (const auto& store = report.store) {
        json["store"] = uuid(store->id);
        json["run"] = store->run;
        json["last_stop"] = store->clean ? "clean" : "unclean";
        json["torn_tail"] = store->torn_tail ? json_of(*store->torn_tail) : Json();
        json["last_lsn"] = store->last_lsn;
        json["snapshot_lsn"] = store->snapshot_lsn != 0 ? Json(store->snapshot_lsn) : Json();
        json["snapshot_size"] = report.snapshot_size;
        json["log_size"] = report.log_size;
        json["segments"] = report.segments;
        json["spares"] = report.spares;
        json["witness"] = store->had_witness;
    }
    json["frames"] = report.frames;
    json["records"] = report.records;
    // Where damage keeps the state from being taken back there are no pools to tell of.
    if (report.damage.empty() || !report.pools.empty()) {
        json["holders"] = report.holders;
        json["pools"] = Json::array();
        for (const CheckReport::PoolReport& pool : report.pools)
            json["pools"].push_back(json_of(pool));
    }
    json["damage"] = report.damage;
    return json;
}

// A line for each number, and for each pool.
std::string text_of(const Json& report) {
    std::string text;
    for (const auto& [key, value] : report.items()) {
        if (key == "sound") {
            text += value.get<bool>() ? "sound\n" : "damaged\n";
        } else if (key == "pools") {
            for (const Json& pool : value)
                text += "pool:" + line_of(pool) + "\n";
        } else if (key != "damage") {
            text += key + ":" + (value.is_object() ? line_of(value) : " " + word_of(value)) + "\n";
        }
    }
    return text;
}

}  // namespace

ExitStatus check(const OfflineOptions& options) {
    const auto store = open_to_look(options.path);
    if (!store) return refuse(options, store.error());
    const auto report = inod::check(*store->storage);
    if (!report) return refuse(options, report.error());
    for (const std::string& damage : report->damage)
        static_cast<void>(refuse(options, {Errc::journal_damaged, damage}));
    const Json json = json_of(*report);
    if (options.format == Format::off) {
        std::fputs(text_of(json).c_str(), stdout);
    } else {
        print(json, options.format);
    }
    return printed(report->damage.empty() ? ExitStatus::ok : ExitStatus::damaged);
}

ExitStatus dump(const OfflineOptions& options) {
    const auto store = open_to_look(options.path);
    if (!store) return refuse(options, store.error());
    const auto dumped = inod::dump(*store->storage, [&](const Json& line) {
        if (options.format == Format::off) {
            std::puts(line_of(line).c_str() + 1);
        } else {
            print(line, options.format);
        }
    });
    // In the order in which it happened, wherever both go.
    const ExitStatus status = printed(ExitStatus::ok);
    if (!dumped) return refuse(options, dumped.error());
    return status;
}

ExitStatus export_state(const OfflineOptions& options) {
    const auto store = open_to_look(options.path);
    if (!store) return refuse(options, store.error());
    const auto exported = inod::export_state(
        *store->storage, [](const std::string& line) { std::puts(line.c_str()); });
    if (!exported) return refuse(options, exported.error());
    return printed(ExitStatus::ok);
}

}  // namespace inod::cli
