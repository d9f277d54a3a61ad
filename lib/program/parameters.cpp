#include <stoat/program/parameters.hpp>

#include <algorithm>

#include <stoat/error.hpp>

namespace stoat {

ParameterPart Parameters::add(const std::string& name, const Eigen::MatrixXd& start) {
  if (name.empty()) throw InvalidArgument("Parameters: a part needs a name");
  if (std::find(parts_.begin(), parts_.end(), name) != parts_.end())
    throw InvalidArgument("Parameters: there is a part called " + name + " already");
  if (start.size() == 0) throw InvalidArgument("Parameters: " + name + " is empty");
  const ParameterPart part{start_.size(), start.rows(), start.cols()};
  start_.conservativeResize(part.offset + start.size());
  start_.tail(start.size()) = start.reshaped();
  parts_.push_back(name);
  return part;
}

MatrixParameter Parameters::matrix(const std::string& name, const Eigen::MatrixXd& start) {
  const ParameterPart part = add(name, start);
  for (Eigen::Index j = 0; j < start.cols(); ++j)
    for (Eigen::Index i = 0; i < start.rows(); ++i) {
      std::string entry = name;
      entry += "(" + std::to_string(i) + ", " + std::to_string(j) + ")";
      names_.push_back(std::move(entry));
    }
  return {part};
}

VectorParameter Parameters::vector(const std::string& name, const Eigen::VectorXd& start) {
  const ParameterPart part = add(name, start);
  for (Eigen::Index i = 0; i < start.size(); ++i) {
    std::string entry = name;
    entry += "[" + std::to_string(i) + "]";
    names_.push_back(std::move(entry));
  }
  return {part};
}

ScalarParameter Parameters::scalar(const std::string& name, double start) {
  const ParameterPart part = add(name, Eigen::MatrixXd::Constant(1, 1, start));
  names_.push_back(name);
  return {part};
}

}  // namespace stoat
