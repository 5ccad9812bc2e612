#include "cli/watching.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "cli/output.h"
#include "cli/report.h"

namespace inod::cli {
namespace {

void print_event(const proto::Event& event, const Options& options) {
    if (options.format == Format::off) {
        print_line(text_of(event));
    } else {
        print(json_of(options.pool, event), options.format);
    }
}

// What was missed is a line of its own, where it is missing.
void print_missed(std::uint64_t lsn, const Options& options) {
    if (options.format == Format::off) {
        print_line(std::to_string(lsn) + " missed");
    } else {
        print(Json{{"lsn", lsn}, {"event", "missed"}, {"pool", options.pool}}, options.format);
    }
}

}  // namespace

ExitStatus wait(Client& client, const Options& options) {
    const IdsArgument& asked = options.ids.front();
    const auto is_over = client.wait(options.pool, asked.range.first, asked.generation,
                                     options.timeout.value_or(for_ever));
    if (!is_over) return fail(client, is_over.error());
    if (!*is_over) {
        complain("timed_out: the number is live still (ID " + std::to_string(asked.range.first) +
                 ")");
        return ExitStatus::refused;
    }
    if (options.format != Format::off) {
        print(json_of(options.pool,
                      proto::LeaseReply{.range = asked.range, .generation = asked.generation}),
              options.format);
    }
    return ExitStatus::ok;
}

ExitStatus watch(Client& client, const Options& options) {
    std::uint64_t from = options.from_lsn;
    std::uint32_t left = options.limit;
    for (;;) {
        const auto page = client.watch(options.pool, from, for_ever, left);
        if (!page) return fail(client, page.error());
        if (page->missed != 0) print_missed(page->missed, options);
        for (const proto::Event& event : page->events)
            print_event(event, options);
        // Where nobody reads it any more it is of no use to go on.
        if (!is_all_printed()) return ExitStatus::ok;
        from = page->next;
        if (options.limit == 0) continue;
        left -= std::min(left, static_cast<std::uint32_t>(page->events.size()));
        if (left == 0) return ExitStatus::ok;
    }
}

}  // namespace inod::cli
