#include <surrogate_gradients/classification.cpp>
