#include "tests/proto/golden.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace inod::proto {
namespace {

const std::filesystem::path folder(INOD_GOLDEN_DIR);

}  // namespace

std::vector<std::string> golden_names() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() == ".txt") names.push_back(entry.path().stem());
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::vector<std::string> golden_names_of_clients() {
    std::vector<std::string> names = golden_names();
    std::erase_if(names, [](const std::string& name) {
        return name.find("request") == std::string::npos && !name.starts_with("refused_") &&
               !name.starts_with("stream_");
    });
    return names;
}

std::vector<std::byte> golden(const std::string& name) {
    std::ifstream file(folder / (name + ".txt"));
    EXPECT_TRUE(file) << name;
    std::vector<std::byte> bytes;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line.substr(0, line.find('#')));
        for (std::string word; words >> word;) {
            EXPECT_EQ(word.size(), 2U) << name << ": " << word;
            bytes.push_back(static_cast<std::byte>(std::stoi(word, nullptr, 16)));
        }
    }
    return bytes;
}

}  // namespace inod::proto
