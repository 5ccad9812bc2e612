#include "tests/e2e/service_manager.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace inod::e2e {
namespace {

bool has_ended(const ServiceManager::Kept& kept) {
    pollfd asked{.fd = kept.descriptor.get(), .events = 0, .revents = 0};
    return poll(&asked, 1, 0) == 1 && (asked.revents & (POLLHUP | POLLERR)) != 0;
}

std::string name_in(const std::string& said) {
    const std::string key = "FDNAME=";
    const auto begin = said.find(key);
    if (begin == std::string::npos) return "stored";
    const auto from = begin + key.size();
    return said.substr(from, said.find('\n', from) - from);
}

bool has_line(const std::string& said, const std::string& line) {
    return ("\n" + said + "\n").find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

ServiceManager::ServiceManager(std::string path)
    : path_(std::move(path)),
      socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(),
                std::min(path_.size(), sizeof address.sun_path - 1));
    if (bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::system_error(errno, std::generic_category(), "bind " + path_);
    }
    std::filesystem::permissions(path_, std::filesystem::perms::all);
}

std::optional<std::string> ServiceManager::hear() {
    std::array<char, 2048> text{};
    iovec part{text.data(), text.size()};
    int descriptor = -1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof descriptor)> control{};
    msghdr head{};
    head.msg_iov = &part;
    head.msg_iovlen = 1;
    head.msg_control = control.data();
    head.msg_controllen = control.size();
    const auto size = recvmsg(socket_.get(), &head, MSG_CMSG_CLOEXEC);
    if (size < 0) return std::nullopt;
    std::string said(text.data(), static_cast<std::size_t>(size));
    const cmsghdr* const rights = CMSG_FIRSTHDR(&head);
    if (rights != nullptr && rights->cmsg_type == SCM_RIGHTS)
        std::memcpy(&descriptor, CMSG_DATA(rights), sizeof descriptor);
    keep(said, OwnedFd(descriptor));
    return said;
}

void ServiceManager::hear_all() {
    while (hear()) {
    }
}

void ServiceManager::keep(const std::string& said, OwnedFd descriptor) {
    const std::string name = name_in(said);
    if (has_line(said, "FDSTOREREMOVE=1")) {
        std::erase_if(kept_, [&](const Kept& kept) { return kept.name == name; });
    } else if (has_line(said, "FDSTORE=1") && descriptor) {
        kept_.push_back({.name = name, .descriptor = std::move(descriptor)});
    }
}

std::vector<ServiceManager::Kept>& ServiceManager::kept() {
    hear_all();
    std::erase_if(kept_, [](const Kept& kept) { return has_ended(kept); });
    return kept_;
}

std::size_t ServiceManager::kept_connections() {
    const auto& all = kept();
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [](const Kept& kept) { return kept.name != "table"; }));
}

}  // namespace inod::e2e
