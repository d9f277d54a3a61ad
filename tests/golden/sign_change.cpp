#include <surrogate_gradients/sign_change.cpp>
