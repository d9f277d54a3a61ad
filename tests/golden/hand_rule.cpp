#include <surrogate_gradients/hand_rule.cpp>
