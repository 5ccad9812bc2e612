// What all nodes of a range tree are: as many words as a template argument says, the last two of which
// say what the others mean.
//
//   0 to N - 3   the body: see lib/tree/leaf.h and lib/tree/inner_node.h
//   N - 2        what stands in it: NodeMeta
//   N - 1        the version: odd while the body changes, and higher after each change
//
// Thread safety: one writer, any number of readers beside it. Every word is read and written
// atomically, with acquire and release, which costs nothing on x86; what a reader has seen counts
// only if the version before and after is the same and even. That the words themselves are released
// and acquired takes the place of fences, which thread sanitizers do not see. Source: H. Boehm, Can
// Seqlocks Get Along With Programming Language Memory Models?, MSPC 2012.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace inod {

struct NodeMeta {
    unsigned place = 0;  // in its slab, for the reserve; never changes
    unsigned level = 0;  // 0 for leaves
    unsigned count = 0;  // inner: children; leaf: items
    unsigned end = 0;    // leaf: the first word behind the payloads
    unsigned dead = 0;   // leaf: words of values whose ID was released
    unsigned live = 0;   // leaf: live IDs; not counted of a wide entry

    static NodeMeta of(std::uint64_t word) noexcept {
        const auto field = [word](unsigned shift, unsigned bits) {
            return static_cast<unsigned>(word >> shift & ((std::uint64_t{1} << bits) - 1));
        };
        return {field(0, 6),   field(6, 6),   field(12, 12),
                field(24, 12), field(36, 12), field(48, 16)};
    }
    [[nodiscard]] std::uint64_t word() const noexcept {
        return std::uint64_t{place} | std::uint64_t{level} << 6U | std::uint64_t{count} << 12U |
               std::uint64_t{end} << 24U | std::uint64_t{dead} << 36U | std::uint64_t{live} << 48U;
    }
};

template <unsigned words>
class alignas(64) Node {
    static_assert(words >= 16 && words <= 512 && words % 8 == 0, "NodeMeta's fields, cache lines");

public:
    static constexpr unsigned body_count = words - 2;

    [[nodiscard]] std::uint64_t get(std::size_t index) const noexcept {
        return ref(index).load(std::memory_order_acquire);
    }
    void set(std::size_t index, std::uint64_t word) noexcept {
        ref(index).store(word, std::memory_order_release);
    }
    // Moves `count` words from `from` to `to`; the two may overlap.
    void move(std::size_t from, std::size_t to, std::size_t count) noexcept {
        if (to < from) {
            copy(*this, from, to, count);
            return;
        }
        const auto move_word = [&](std::size_t i) { set(to + i, get(from + i)); };
        for (; count >= 4; count -= 4) {
            move_word(count - 1);
            move_word(count - 2);
            move_word(count - 3);
            move_word(count - 4);
        }
        while (count > 0)
            move_word(--count);
    }
    // Copies `count` words of a node from `from` on to `to`.
    void copy(const Node& source, std::size_t from, std::size_t to, std::size_t count) noexcept {
        const auto copy_word = [&](std::size_t i) { set(to + i, source.get(from + i)); };
        std::size_t i = 0;
        for (; i + 4 <= count; i += 4) {
            copy_word(i);
            copy_word(i + 1);
            copy_word(i + 2);
            copy_word(i + 3);
        }
        for (; i < count; ++i)
            copy_word(i);
    }

    [[nodiscard]] NodeMeta meta() const noexcept { return NodeMeta::of(get(words - 2)); }
    void set_meta(const NodeMeta& meta) noexcept { set(words - 2, meta.word()); }
    // Adds what `more` says to each field, and takes off what `less` says. Requires that all stay in
    // their ranges.
    void change_meta(const NodeMeta& more, const NodeMeta& less = {}) noexcept {
        set(words - 2, get(words - 2) + (more.word() - less.word()));
    }

    [[nodiscard]] std::uint64_t version() const noexcept { return get(words - 1); }
    void set_version(std::uint64_t version) noexcept { set(words - 1, version); }

    // Says that the word at `index` will be wanted, in its cache line. Inline always: g++ 12 takes a
    // function that only prefetches for one that does nothing, and leaves its calls out.
    [[gnu::always_inline]] void prefetch(std::size_t index) const noexcept {
        __builtin_prefetch(&words_[index < words ? index : 0]);
    }

private:
    // A reference of atomic kind to a const word is C++26's.
    [[nodiscard]] std::atomic_ref<std::uint64_t> ref(std::size_t index) const noexcept {
        return std::atomic_ref(const_cast<std::uint64_t&>(words_[index]));  // NOLINT
    }

    std::uint64_t words_[words];
};

// Stands around every change of a leaf's words, so that readers beside it notice. Within another of
// the same node it does nothing.
template <unsigned words>
class NodeEdit {
public:
    explicit NodeEdit(Node<words>& node) noexcept : node_(node), version_(node.version()) {
        if (version_ % 2 == 0) node_.set_version(version_ + 1);
    }
    ~NodeEdit() {
        if (version_ % 2 == 0) node_.set_version(version_ + 2);
    }
    NodeEdit(const NodeEdit&) = delete;
    NodeEdit& operator=(const NodeEdit&) = delete;

private:
    Node<words>& node_;
    const std::uint64_t version_;
};

}  // namespace inod
