// Who may use a pool: root and the daemon's own user always, others by a grant.
#include "daemon/access.h"

#include <vector>

#include <gtest/gtest.h>

namespace inod::daemon {
namespace {

constexpr std::uint32_t own_uid = 990;

Grant uid(std::uint32_t id) {
    return {.to = Grant::To::uid, .id = id};
}
Grant gid(std::uint32_t id) {
    return {.to = Grant::To::gid, .id = id};
}
Grant everyone() {
    return {.to = Grant::To::everyone, .id = 0};
}

TEST(Access, RootTheDaemonItselfAndWhoeverHasAGrantMayUseAPool) {
    const Peer root{.uid = 0, .gid = 0, .groups = {}};
    const Peer itself{.uid = own_uid, .gid = 991, .groups = {}};
    const Peer ann{.uid = 1'000, .gid = 100, .groups = {20, 30}};
    const Peer nobody{.uid = 65'534, .gid = 65'534, .groups = {}};
    // As a container has it: in root's group without being root.
    const Peer in_root_group{.uid = 1'000, .gid = 0, .groups = {0}};
    struct Case {
        const char* name;
        Peer peer;
        std::vector<Grant> grants;
        bool want;
    };
    const Case cases[] = {
        {"root, no grant", root, {}, true},
        {"root, another's grant", root, {uid(1'000)}, true},
        {"own UID, no grant", itself, {}, true},
        {"own UID, another's grant", itself, {uid(1'000)}, true},
        {"no grant", ann, {}, false},
        {"no grant, root's group", in_root_group, {}, false},
        {"UID granted", ann, {uid(1'000)}, true},
        {"another's UID granted", ann, {uid(1'001)}, false},
        {"root's UID granted", ann, {uid(0)}, false},
        {"own UID granted", ann, {uid(own_uid)}, false},
        {"primary GID granted", ann, {gid(100)}, true},
        {"first supplementary GID granted", ann, {gid(20)}, true},
        {"last supplementary GID granted", ann, {gid(30)}, true},
        {"another's GID granted", ann, {gid(40)}, false},
        {"root's GID granted, not a member", ann, {gid(0)}, false},
        {"root's GID granted, a member", in_root_group, {gid(0)}, true},
        {"a UID equal to its primary GID granted", ann, {uid(100)}, false},
        {"a UID equal to a supplementary GID granted", ann, {uid(20)}, false},
        {"a GID equal to its UID granted", ann, {gid(1'000)}, false},
        {"everyone granted", ann, {everyone()}, true},
        {"everyone granted, to the least of all", nobody, {everyone()}, true},
        {"first grant is its own", ann, {uid(1'000), uid(1), gid(2)}, true},
        {"last grant is its own", ann, {uid(1), gid(2), gid(30)}, true},
        {"last grant is everyone's", ann, {uid(1), gid(2), everyone()}, true},
        {"many grants, none its own", ann, {uid(1), gid(2), uid(30), gid(1'000)}, false},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(!rights_of(c.peer, c.peer.groups, c.grants, own_uid).empty(), c.want);
    }
}

// A daemon run by root has no other UID of its own.
TEST(Access, ADaemonOfRootOpensItsPoolsToNobodyElse) {
    const Peer ann{.uid = 1'000, .gid = 100, .groups = {}};
    EXPECT_TRUE(rights_of(ann, ann.groups, {}, 0).empty());
    EXPECT_EQ(rights_of(ann, ann.groups, {uid(1'000)}, 0), rights_default);
}

}  // namespace
}  // namespace inod::daemon
