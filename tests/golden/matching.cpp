#include <surrogate_gradients/matching.cpp>
