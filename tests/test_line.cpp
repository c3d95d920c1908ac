// SPDX-License-Identifier: MIT
#include "check.hpp"
#include "fakes/script_edges.hpp"
#include "tocsin/alarm/line.hpp"

using namespace tocsin;
using fakes::ScriptEdges;

namespace {

void check_next(Line& line, Line::Input input, bool lost_edges = false) {
  const auto change = line.next();
  CHECK_OK(change);
  CHECK_EQ(change.value().input, input);
  CHECK_EQ(change.value().lost_edges, lost_edges);
}

}  // namespace

TEST(line_at_start_tells_the_level_before_any_edge) {
  ScriptEdges edges;
  edges.now = Level::high;
  Line line(edges, Level::high);
  check_next(line, Line::Input::active);
  CHECK_CODE(line.next(), Code::again);
}

TEST(line_active_low_is_active_when_the_level_is_low) {
  ScriptEdges edges;
  edges.now = Level::low;
  Line line(edges, Level::low);
  check_next(line, Line::Input::active);
  edges.edge(Level::high);
  check_next(line, Line::Input::inactive);
}

TEST(line_every_edge_in_its_order_is_a_change) {
  ScriptEdges edges;
  Line line(edges, Level::high);
  check_next(line, Line::Input::inactive);
  for (int i = 0; i < 3; ++i) {
    edges.edge(Level::high);
    edges.edge(Level::low);
  }
  for (int i = 0; i < 3; ++i) {
    check_next(line, Line::Input::active);
    check_next(line, Line::Input::inactive);
  }
  CHECK_CODE(line.next(), Code::again);
}

TEST(line_gap_in_the_numbers_reads_the_level_and_says_so) {
  // The kernel's buffer ran over: the last edge it tells is low, the line is high by now.
  ScriptEdges edges;
  Line line(edges, Level::high);
  check_next(line, Line::Input::inactive);
  edges.edge(Level::low, 7);
  edges.now = Level::high;
  check_next(line, Line::Input::active, true);
  edges.edge(Level::low);
  check_next(line, Line::Input::inactive);
}

TEST(line_first_edges_dropped_before_the_first_read_are_noticed) {
  ScriptEdges edges;
  Line line(edges, Level::high);
  check_next(line, Line::Input::inactive);
  edges.edge(Level::high, 1);
  check_next(line, Line::Input::active, true);
}

TEST(line_that_is_gone_is_an_error_not_a_level) {
  ScriptEdges edges;
  Line line(edges, Level::high);
  edges.lost = true;
  CHECK_CODE(line.next(), Code::io);
  edges.lost = false;
  check_next(line, Line::Input::inactive);  // and it begins again with the level
}
