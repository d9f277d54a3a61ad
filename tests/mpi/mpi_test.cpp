// Jobs of several processes: the same bits, and what happens if one of them fails.
#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.hpp"

namespace {

struct Ended {
  int status = 0;  ///< 128 + signal, if there was one
  std::string output;
};

/// Starts a program on so many processes (0: without mpirun) and waits for its end. Once `until` was printed each of the
/// processes gets SIGTERM.
Ended start(int processes, std::vector<std::string> arguments, const std::string& until = {}) {
  const Folder folder("mpi-pids");
  const std::string pids = folder / "pids";
  if (processes > 0) {
    arguments.insert(arguments.begin(), {"sh", "-c", R"(echo $$ >> "$0"; exec "$@")", pids});
    arguments.insert(arguments.begin(), {STOAT_MPIRUN, "--oversubscribe", "--bind-to", "none", "-n", std::to_string(processes)});
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]), close(ends[1]);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  Ended ended;
  std::array<char, 4096> buffer{};
  bool told = until.empty();
  for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    ended.output.append(buffer.data(), static_cast<std::size_t>(n));
    if (told || ended.output.find(until) == std::string::npos) continue;
    told = true;
    std::istringstream in(content(pids));
    for (pid_t pid = 0; in >> pid;) kill(pid, SIGTERM);
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended;
}

Ended job(int processes, std::vector<std::string> arguments, const std::string& until = {}) {
  arguments.insert(arguments.begin(), STOAT_MPI_JOB);
  return start(processes, std::move(arguments), until);
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("jobs of 1, 2 and 4 processes have the bits of a program that mpirun did not start") {
  const Folder folder("mpi-bits");
  const std::string alone = folder / "alone";
  REQUIRE_MESSAGE(job(0, {"everything", alone}).status == 0, "the job failed");
  const std::string bits = content(alone);
  CHECK(count(bits, "\n") == 6 + 1 + 3 + 21 + 3 + 3);
  for (const int processes : {1, 2, 4}) {
    const std::string file = folder / std::to_string(processes);
    const Ended ended = job(processes, {"everything", file});
    CHECK_MESSAGE(ended.status == 0, ended.output);
    CHECK(content(file) == bits);
  }
}

TEST_CASE("a process that dies ends the job, and another number of them goes on with the same bits") {
  const Folder folder("mpi-die");
  const std::string whole = folder / "whole", rest = folder / "rest";
  REQUIRE(job(2, {"descend", whole, folder / "unused"}).status == 0);
  CHECK(job(4, {"die", rest, folder / "checkpoint"}).status != 0);
  CHECK(content(rest).empty());
  const Ended ended = job(3, {"descend", rest, folder / "checkpoint"});
  CHECK_MESSAGE(ended.status == 0, ended.output);
  CHECK(ended.output.find("resumed 30, all iterations are done") != std::string::npos);
  CHECK(content(rest) == content(whole));
}

TEST_CASE("an error in a sample ends the job with one message, the same for any number of processes") {
  std::string message;
  for (const int processes : {1, 4}) {
    const Ended ended = job(processes, {"wrong"});
    CHECK(ended.status == 1);
    CHECK(count(ended.output, "p = 1.65 is outside [0, 1] (site 1, run ") == 1);
    CHECK(count(ended.output, ": rank ") == (processes > 1 ? 1 : 0));
    CHECK(count(ended.output, " of 4: ") == (processes > 1 ? 1 : 0));
    const std::size_t at = ended.output.find("Bernoulli: p");
    REQUIRE(at != std::string::npos);
    const std::string here = ended.output.substr(at, ended.output.find('\n', at) - at);
    if (message.empty()) message = here;
    CHECK(here == message);
  }
}

TEST_CASE("a process that leaves ends the job with one message, though the others wait for it") {
  const Ended ended = job(3, {"leave"});
  CHECK(ended.status == 1);
  CHECK(count(ended.output, "rank 1 of 3 failed: no more") == 1);
  CHECK(count(ended.output, "failed") == 1);
}

TEST_CASE("SIGTERM to the job: all processes finish their blocks and write the checkpoint") {
  const Folder folder("mpi-signal");
  const Ended ended = job(2, {"signal", folder / "file", folder / "checkpoint"}, "started");
  CHECK_MESSAGE(ended.output.find("resumed 0, interrupted") != std::string::npos, ended.output);
  CHECK(!content(folder / "checkpoint").empty());
  CHECK(!content(folder / "file").empty());
}

#ifdef STOAT_TRAIN_SNN
TEST_CASE("a training: the same bits on 1 and 2 processes, and on 3 that are interrupted and go on as 1") {
  const Folder folder("mpi-train");
  const auto training = [&](int processes, const std::string& out, const std::string& until = {}) {
    std::vector<std::string> arguments = {STOAT_TRAIN_SNN, "--resume", "--epochs", "40", "--classes", "3",
                                          "--samples",     "20",       "--hidden"};
    arguments.insert(arguments.end(), {"16", "--batch", "20", "--trials", "2", "--threads", "1", "--out", (folder / out).string()});
    if (processes > 0) arguments.push_back("--mpi");
    return start(processes, arguments, until);
  };
  const auto table = [&](const std::string& out, const std::string& name) {  // without the seconds, the tenth column
    std::istringstream in(content((folder / out) / (name + ".csv")));
    std::string text;
    for (std::string line; std::getline(in, line); text += line + '\n') {
      std::size_t begin = 0;
      for (int k = 0; k < 9; ++k) begin = line.find(',', begin) + 1;
      line.erase(begin, line.find(',', begin) - begin);
    }
    return text;
  };
  REQUIRE(training(0, "whole").status == 0);
  CHECK(count(table("whole", "stochastic"), "\n") == 1 + 40);
  const Ended two = training(2, "two");
  CHECK_MESSAGE(two.status == 0, two.output);
  const Ended three = training(3, "three", "epoch 3/40");
  CHECK_MESSAGE(count(three.output, "interrupted after epoch ") == 1, three.output);
  CHECK(training(1, "three").status == 0);
  for (const std::string out : {"two", "three"})
    for (const std::string name : {"deterministic", "stochastic"}) CHECK(table(out, name) == table("whole", name));
}
#endif
