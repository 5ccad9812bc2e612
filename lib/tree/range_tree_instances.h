// The trees that are compiled, for the end of each .cc file of BasicRangeTree: the one that ships, and
// tiny nodes for tests.
#pragma once

#define INOD_RANGE_TREE_INSTANCES      \
    template class BasicRangeTree<16>; \
    template class BasicRangeTree<24>; \
    template class BasicRangeTree<256>;
