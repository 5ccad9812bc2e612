// The trees that are compiled, for the end of each .cc file of BasicRangeTree: the one that ships,
// and tiny nodes for tests, of odd and even capacity.
#pragma once

#define INOD_RANGE_TREE_INSTANCES     \
    template class BasicRangeTree<3>; \
    template class BasicRangeTree<4>; \
    template class BasicRangeTree<10>;
