#include <surrogate_gradients/target.cpp>
