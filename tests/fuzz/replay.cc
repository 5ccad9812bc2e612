// Runs files through a fuzz target once each, without a fuzzer: inputs that broke something, or reach
// far. Takes files and folders of files.
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

void run(const fs::path& file) {
    std::cout << file.string() << std::endl;  // before it may end the process
    std::ifstream in(file, std::ios::binary);
    if (!in) throw fs::filesystem_error("cannot read", file, {});
    const std::vector<char> text{std::istreambuf_iterator<char>(in), {}};
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
    try {
        int count = 0;
        for (const fs::path& argument : std::vector<fs::path>(argv + 1, argv + argc)) {
            if (!fs::is_directory(argument)) {
                run(argument);
                ++count;
                continue;
            }
            for (const auto& entry : fs::directory_iterator(argument)) {
                run(entry.path());
                ++count;
            }
        }
        std::cout << count << " inputs\n";
        return count > 0 ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
