#include <cstdio>

#include <inod/client.h>

int main(int argc, char** argv) {
    auto client =
        inod::Client::connect({.socket_path = argc > 1 ? argv[1] : "", .pools = {"inode"}});
    if (!client) return std::puts(client.error().message.c_str()), 1;
    const auto lease = client->allocate("inode");
    if (!lease) return std::puts(client->error_text().c_str()), 1;
    std::printf("%llu\n", static_cast<unsigned long long>(lease->range.first));
}
