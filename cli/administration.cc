#include "cli/administration.h"

#include "cli/report.h"

namespace inod::cli {

ExitStatus reserve(Client& client, const Options& options) {
    return for_each_ids(client, options, "reserved", [&](const IdsArgument& ids) {
        return client.reserve(options.pool, ids.range);
    });
}

ExitStatus unreserve(Client& client, const Options& options) {
    return for_each_ids(client, options, "given back", [&](const IdsArgument& ids) {
        return client.unreserve(options.pool, ids.range);
    });
}

ExitStatus advance(Client& client, const Options& options) {
    const auto done = client.advance(options.pool, options.above);
    if (!done) return fail(client, done.error());
    if (options.format != Format::off) {
        print(Json{{"pool", options.pool}, {"above", options.above}}, options.format);
    }
    return ExitStatus::ok;
}

}  // namespace inod::cli
