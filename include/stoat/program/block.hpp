// stoat/program/block.hpp: many draws at once, one for each entry of a vector or matrix of parameters.
//
//   const Matrix<S> spikes = draw(Bernoulli(P));   // P: a Matrix<S>; entry (i, j) is 1 with probability P(i, j)
//
// Every entry is a site of its own, in the order of the columns, with the random numbers that single draws in this order would
// have: a block and a loop over single draws give the same outcomes, and a replay can change one entry.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <stoat/distributions/law.hpp>
#include <stoat/program/discrete.hpp>
#include <stoat/tape/vector.hpp>

namespace stoat {

/// A law of single numbers whose parameters are vectors or matrices of one shape: Bernoulli(P), Poisson(rates).
template <class L>
concept BlockLaw = DiscreteLaw<L> && DenseLike<typename L::Scalar>;

/// A law whose draw is one number.
template <class L>
concept SingleDraw = DiscreteLaw<L> && !BlockLaw<L> && !requires {
  requires decltype(std::declval<const L&>().plain())::one_hot;
};

/// The outcomes of a block of draws: a vector or matrix in arithmetic, integers to steer control flow.
template <class S, int C>
class DiscreteBlock {
 public:
  DiscreteBlock(Sampler<S>& sampler, std::size_t first_site, Dense<S, C> scalars)
      : sampler_(&sampler), first_site_(first_site), scalars_(std::move(scalars)) {}
  Eigen::Index rows() const { return scalars_.rows(); }
  Eigen::Index cols() const { return scalars_.cols(); }
  Eigen::Index size() const { return scalars_.size(); }
  const Dense<S, C>& scalars() const { return scalars_; }
  operator Dense<S, C>() const { return scalars_; }
  /// Entry i, counted column by column, as an integer.
  std::int64_t value(Eigen::Index i) const {
    const auto k = static_cast<std::int64_t>(detail::base_value(stoat::value(scalars_[i])));
    if constexpr (is_var<S>) return sampler_->number(first_site_ + static_cast<std::size_t>(i), k);
    else return k;
  }
  std::int64_t value(Eigen::Index i, Eigen::Index j) const { return value(i + j * rows()); }

 private:
  Sampler<S>* sampler_;
  std::size_t first_site_;
  Dense<S, C> scalars_;
};

namespace detail {

/// The first parameter of a block, which all others must match in shape.
template <class L>
auto first_parameter(const L& law) {
  typename L::Scalar first;
  bool found = false;
  law.map([&](const auto& x) {
    if (!found) first = x;
    else if (x.rows() != first.rows() || x.cols() != first.cols())
      shape_mismatch(std::string(law.map([](const auto&) { return 0.0; }).name).c_str(), first.rows(), first.cols(), x.rows(),
                     x.cols());
    found = true;
    return 0.0;
  });
  return first;
}
/// Where entry i of a view is, counted column by column.
inline Eigen::Index entry_offset(const Layout& layout, Eigen::Index i) {
  return layout.is_contiguous() ? i : layout.offset(i % layout.rows, i / layout.rows);
}
/// The values without gaps.
template <class S, int C>
Dense<ValueOf<S>, C> packed(const Dense<S, C>& x) {
  using T = ValueOf<S>;
  if constexpr (!is_var<S>)
    if (x.layout().is_contiguous()) return x;
  return Dense<T, C>::filled(x.rows(), x.cols(), [&](T* out) {
    for (Eigen::Index i = 0; i < x.size(); ++i) out[i] = x.data()[entry_offset(x.layout(), i)];
  });
}
/// The law of entry i of a packed law, and its plain form.
template <class L>
auto entry_of(const L& law, Eigen::Index i) {
  return law.map([i](const auto& x) { return x.data()[i]; });
}
template <class L>
auto plain_entry(const L& law, Eigen::Index i) {
  return law.map([i](const auto& x) { return static_cast<double>(base_value(x.data()[i])); });
}

}  // namespace detail

}  // namespace stoat
