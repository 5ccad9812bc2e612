// What a program does that knows neither ranges nor order: pages of 512 values in a hash by
// ID / 512, a page given back when its last ID is released. See structure.h.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>

#include "tests/bench/tree/structure.h"

namespace inod::bench {

class PageHash {
public:
    Id allocate(Value value) {
        while (lookup(cursor_) != 0)
            ++cursor_;
        Page& page = page_of(cursor_);
        page.values[cursor_ % page_size] = value;
        ++page.live;
        return cursor_++;
    }
    [[nodiscard]] Value lookup(Id id) const {
        const Page* const page = find(id);
        return page != nullptr ? page->values[id % page_size] : 0;
    }
    void release(Id id) {
        Page* const page = find(id);
        page->values[id % page_size] = 0;
        if (--page->live > 0) return;
        if (latest_ == page) latest_ = nullptr;
        pages_.erase(id / page_size);
    }

private:
    static constexpr std::size_t page_size = 512;
    struct Page {
        std::array<Value, page_size> values{};
        unsigned live = 0;
    };

    [[nodiscard]] Page* find(Id id) const {
        if (latest_ != nullptr && latest_number_ == id / page_size) return latest_;
        const auto found = pages_.find(id / page_size);
        return found != pages_.end() ? found->second.get() : nullptr;
    }
    Page& page_of(Id id) {
        if (latest_ == nullptr || latest_number_ != id / page_size) {
            auto& page = pages_[id / page_size];
            if (!page) page = std::make_unique<Page>();
            latest_ = page.get();
            latest_number_ = id / page_size;
        }
        return *latest_;
    }

    std::unordered_map<Id, std::unique_ptr<Page>> pages_;
    Page* latest_ = nullptr;  // the page of the latest allocation
    Id latest_number_ = 0;
    Id cursor_ = 0;
};

}  // namespace inod::bench
