# The warnings of our own targets, linked PRIVATE by each: inod_warnings.
add_library(inod_warnings INTERFACE)
target_compile_options(
  inod_warnings
  INTERFACE -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wconversion
            -Wsign-conversion
            -Wold-style-cast
            -Wnon-virtual-dtor
            -Woverloaded-virtual
            -Wimplicit-fallthrough
            $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
            -Werror)

# All code is position-independent, for the shared library of clients alone. That another library may take
# the place of a function would keep g++ from inlining it: none of ours is meant to be replaced so.
#
# Small structs that are passed on are written word by word. g++ 12 reads them two words at a time then, for
# which the processor must wait until they are in its cache: a seventh of a request's time.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-fno-semantic-interposition -fno-tree-slp-vectorize)
endif()

# Every include spells the whole path from here.
include_directories(${PROJECT_SOURCE_DIR})

# "address", "thread" or nothing. undefined behaviour comes with address.
# -O1 halves the compile time of the address sanitizer's code; -g1 is enough for its line numbers.
set(INOD_SANITIZE "" CACHE STRING "Sanitizer to build everything with: address or thread")
if(INOD_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -O1 -g1)
  # g++ 12 warns of the standard library's own <regex> here: its manual says that sanitizers lead to
  # such false positives.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
  add_link_options(-fsanitize=address,undefined)
elseif(INOD_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=thread)
elseif(NOT INOD_SANITIZE STREQUAL "")
  message(FATAL_ERROR "INOD_SANITIZE is '${INOD_SANITIZE}': it may be address, thread or empty")
endif()

# Fuzzers: everything is built so that they see which ways were taken. clang's alone.
option(INOD_FUZZ "Build the fuzzers of tests/fuzz" OFF)
if(INOD_FUZZ)
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_FLAGS -fsanitize=fuzzer)
  check_cxx_source_compiles(
    "extern \"C\" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }"
    INOD_HAS_FUZZER)
  unset(CMAKE_REQUIRED_FLAGS)
  if(NOT INOD_HAS_FUZZER)
    message(FATAL_ERROR "INOD_FUZZ needs clang and its libFuzzer; tools/setup --fuzz installs both")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
