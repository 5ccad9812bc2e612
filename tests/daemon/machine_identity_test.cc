#include "daemon/machine_identity.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace inod::daemon {
namespace {

namespace fs = std::filesystem;

const Id128 none{};

class MachineIdentityTest : public testing::Test {
protected:
    MachineIdentityTest() {
        std::string pattern = testing::TempDir() + "inod-identity-XXXXXX";
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    ~MachineIdentityTest() override { fs::remove_all(folder_); }

    [[nodiscard]] IdentityFiles files() const {
        return {.machine_id = folder_ / "machine-id", .vm_generation_id = folder_ / "raw"};
    }
    [[nodiscard]] Id128 machine_of(const std::string& content) const {
        std::ofstream(files().machine_id, std::ios::binary) << content;
        return machine_identity(files()).machine;
    }
    [[nodiscard]] Id128 generation_of(const std::string& content) const {
        std::ofstream(files().vm_generation_id, std::ios::binary) << content;
        return machine_identity(files()).vm_generation;
    }

    fs::path folder_;
};

TEST_F(MachineIdentityTest, NothingIsThereInAContainer) {
    EXPECT_EQ(machine_identity(files()), MachineIdentity{});
}

TEST_F(MachineIdentityTest, TheMachineIdIsReadAsItsDigitsStand) {
    const Id128 want{std::byte{0x00}, std::byte{0x12}, std::byte{0x34}, std::byte{0x56},
                     std::byte{0x78}, std::byte{0x9a}, std::byte{0xbc}, std::byte{0xde},
                     std::byte{0xff}, std::byte{0x00}, std::byte{0x11}, std::byte{0x22},
                     std::byte{0x33}, std::byte{0x44}, std::byte{0x55}, std::byte{0x66}};
    EXPECT_EQ(machine_of("00123456789abcdeff00112233445566\n"), want);
    EXPECT_EQ(machine_of("00123456789abcdeff00112233445566"), want);
    EXPECT_EQ(machine_of("00123456789ABCDEFF00112233445566\n"), want);
}

TEST_F(MachineIdentityTest, WhatIsMalformedIsNone) {
    for (const char* content :
         {"", "\n", "uninitialized\n", "00123456789abcdeff0011223344556\n",
          "00123456789abcdeff001122334455667\n", "00123456789abcdeff00112233445566\n\n",
          "00123456789abcdeff00112233445566 \n", "00123456-789a-bcde-ff00-112233445566\n",
          "0x123456789abcdeff00112233445566\n", "00000000000000000000000000000000\n"}) {
        EXPECT_EQ(machine_of(content), none) << "'" << content << "'";
    }
}

TEST_F(MachineIdentityTest, TheGenerationStandsAtItsOffset) {
    std::string content(4096, '\0');
    Id128 want{};
    for (std::size_t i = 0; i < want.size(); ++i) {
        want[i] = std::byte(0xf0 + i);
        content[40 + i] = static_cast<char>(0xf0 + i);
    }
    EXPECT_EQ(generation_of(content), want);
    EXPECT_EQ(generation_of(content.substr(0, 4095)), none);
    EXPECT_EQ(generation_of(content.substr(0, 56)), none);
    EXPECT_EQ(generation_of(content + '\0'), none);
    EXPECT_EQ(generation_of(""), none);
    EXPECT_EQ(generation_of(std::string(4096, '\0')), none);
}

TEST_F(MachineIdentityTest, ADirectoryIsNone) {
    EXPECT_EQ(machine_identity({.machine_id = folder_, .vm_generation_id = folder_}),
              MachineIdentity{});
}

}  // namespace
}  // namespace inod::daemon
