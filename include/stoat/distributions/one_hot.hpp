// stoat/distributions/one_hot.hpp: one of K labels, as a unit vector.
#pragma once

#include <stoat/distributions/categorical.hpp>

namespace stoat {

/// The plain form of OneHot: a Categorical whose outcome k stands for the unit vector e_k.
template <class T>
struct OneHotView : CategoricalView<T> {
  using CategoricalView<T>::CategoricalView;
  static constexpr std::string_view name = "OneHot";
  static constexpr bool one_hot = true;
};

template <class S>
OneHotView(const Vector<S>&) -> OneHotView<ValueOf<S>>;

/// OneHot(weights): the unit vector e_k with probability weights[k] / sum(weights). draw(OneHot(w)) gives a OneHotDraw. In a
/// recorded run every entry is a variable whose edge leads to the probability of its own label with slope 1: the mean of the
/// vector is the vector of probabilities, so the straight-through and all smoothed derivatives of the independent flow agree.
/// `weights` given as an lvalue is referred to, not copied.
template <class S>
class OneHot : public Categorical<S> {
 public:
  using Categorical<S>::Categorical;
  auto plain() const { return OneHotView(this->weights()); }
  template <class F>
  auto map(F&&) const {
    return plain();
  }
};
template <class S>
OneHot(const Vector<S>&) -> OneHot<S>;
template <DenseLike E>
OneHot(const E&) -> OneHot<ScalarOf<E>>;
template <class S>
OneHot(Vector<S>&&) -> OneHot<S>;

}  // namespace stoat
