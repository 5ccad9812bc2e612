// As whom a verb acts, and the verbs about holders.
#pragma once

#include "cli/commands.h"
#include "lib/base/result.h"
#include "lib/client/client.h"
#include "proto/reply.h"

namespace inod::cli {

// Acts as a new holder, or one that is there already, as --bind, --name, --key and --pid say it. Errors:
// those of Client::bind(); process_unknown where there is no process --pid.
Result<proto::BindReply, Failure> bind_as_wished(Client& client, const Options& options);

// Acts as one of the user's holders that is there already, as --name or --key says it; without them as
// the user's own. Errors: those of Client::bind(); holder_unknown where there is none of that name, or
// more than one.
Result<void, Failure> act_as_named(Client& client, const Options& options);

ExitStatus renew(Client& client, const Options& options);
ExitStatus release_all(Client& client, const Options& options);
ExitStatus holders(Client& client, const Options& options);

}  // namespace inod::cli
