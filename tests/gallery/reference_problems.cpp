// The gallery is part of the showcase; the tests compile it once more.
#include <compare_estimators/reference_problems.cpp>
