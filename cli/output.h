// What inoctl prints: lines for people and shells, or JSON.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "lib/base/result.h"
#include "lib/client/client.h"

namespace inod::cli {

enum class Format { off, pretty, one_line };

// Keys stay in the order in which they are put in.
using Json = nlohmann::ordered_json;

// {"pool", "first", "last", "count", "generation"}
Json json_of(const std::string& pool, const proto::LeaseReply& lease);
// The same and "uid", "gid", "binding", "holder".
Json json_of(const std::string& pool, const proto::LeaseRecord& lease);
// {"pool", "index", "policy", "durability", "min", "max", "lease_count_max"}
Json json_of(const PoolInfo& pool);
// {"holder", "binding", "uid", "gid", "pid", "ids", "left_ms", "name"}; what it has not is null.
Json json_of(const HolderPage::Entry& holder);
// {"lsn", "event", "pool", "first", "last", "count", "generation", "uid", "holder"}; what it has not is
// null.
Json json_of(const std::string& pool, const proto::Event& event);
// One member a number, by name. Numbers that this version does not know are left out.
Json json_of(const std::vector<proto::Stat>& stats);

// "1-100@7 uid=0 gid=0 binding=persistent holder=1"
std::string text_of(const proto::LeaseRecord& lease);
// "42 allocated 1-100@7 uid=0 holder=1", "43 reserved 1-100", "44 holder_ended uid=0 holder=1"
std::string text_of(const proto::Event& event);
// Columns with a head line.
std::string text_of(const std::vector<PoolInfo>& pools);
std::string text_of(const std::vector<proto::Stat>& stats);
std::string text_of(const std::vector<HolderPage::Entry>& holders);

// What went wrong, in a line: the error's name first, then a sentence, then what it is about.
// `own_text` is what the client library has to say, which may be empty.
std::string describe(const Error& error, const std::string& own_text);

// A value as a word: a text without its quotes, null as "-".
std::string word_of(const Json& value);
// " key=word" for each member of an object without further ones in it.
std::string line_of(const Json& object);

// Prints `json` in this format, which is not off. Bytes that are no UTF-8, as a holder's name may have
// them, come out as U+FFFD.
void print(const Json& json, Format format);

// True if all that was printed so far has gone where it should.
bool is_all_printed();

}  // namespace inod::cli
