#include <surrogate_gradients/loops.cpp>
