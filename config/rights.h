// What a user may do with a pool: the words of "rights" in a grant of the configuration.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace inod {

enum class Right : std::uint8_t {
    allocate = 1,        // hand out, claim, and release what is one's own
    lookup = 2,          // ask who holds an ID, wait for its release
    list = 4,            // walk all leases and holders, watch events
    release_others = 8,  // release what another user holds
    administer = 16,     // reserve and unreserve IDs, advance the pool, claim what is reserved;
                         // and all of the above
};

inline constexpr Right every_right[] = {Right::allocate, Right::lookup, Right::list,
                                        Right::release_others, Right::administer};

// A set of rights, at first empty.
class Rights {
public:
    constexpr Rights() = default;
    constexpr Rights(std::initializer_list<Right> rights) {
        for (const Right right : rights)
            add(right);
    }

    // Every right there is.
    static constexpr Rights all() { return {Right::administer}; }

    // With Right::administer come all others.
    constexpr void add(Right right) {
        if (right == Right::administer) {
            for (const Right implied : every_right)
                bits_ |= bit(implied);
        }
        bits_ |= bit(right);
    }
    // What several grants give, a user has together.
    constexpr void add(Rights more) { bits_ |= more.bits_; }

    [[nodiscard]] constexpr bool has(Right right) const { return (bits_ & bit(right)) != 0; }
    [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }

    friend constexpr bool operator==(const Rights&, const Rights&) = default;

private:
    static constexpr unsigned bit(Right right) { return static_cast<unsigned>(right); }

    unsigned bits_ = 0;  // of Right
};

// Those of a grant that names none.
inline constexpr Rights rights_default{Right::allocate, Right::lookup, Right::list};

// "allocate", "lookup", "list", "release_others", "administer".
std::string_view name(Right right) noexcept;

}  // namespace inod
