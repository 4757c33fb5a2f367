#include <iostream>
#include <string>

#include "tidemark/sql/testing/tcp_gate.hpp"

// tcp_gate HOST PORT: the TCP gate for tests in other languages. Writes the port that it listens on, then reads one
// order a line and answers each with `done`; ends with its input.
int main(int argc, char** argv) {
  using tidemark::sql::testing::TcpGate;
  if (argc != 3) {
    std::cerr << "usage: tcp_gate HOST PORT\n"
                 "orders: open, stall, refuse, cut, cut_before_next_commit, cut_after_next_commit,\n"
                 "        swallow_reply_to_next_commit, awaits_commit (answers yes or no)\n";
    return 2;
  }
  TcpGate gate(argv[1], static_cast<std::uint16_t>(std::stoi(argv[2])));
  std::cout << gate.port() << std::endl;
  for (std::string order; std::getline(std::cin, order);) {
    std::string answer = "done";
    if (order == "open") {
      gate.open();
    } else if (order == "stall") {
      gate.stall();
    } else if (order == "refuse") {
      gate.refuse();
    } else if (order == "cut") {
      gate.cut();
    } else if (order == "cut_before_next_commit") {
      gate.cut_before_next_commit();
    } else if (order == "cut_after_next_commit") {
      gate.cut_after_next_commit();
    } else if (order == "swallow_reply_to_next_commit") {
      gate.swallow_reply_to_next_commit();
    } else if (order == "awaits_commit") {
      answer = gate.awaits_commit() ? "yes" : "no";
    } else {
      answer = "unknown order";
    }
    std::cout << answer << std::endl;
  }
}
