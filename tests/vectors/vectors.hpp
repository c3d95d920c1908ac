// SPDX-License-Identifier: MIT
// Reads test vectors: text files of sections, found from the top of the tree.
//
//   == name_of_the_vector
//   # why, in a sentence
//   key value            (any number)
//   > bytes\r\n          (any number; joined)
//
// In values and bytes: \r \n \t \\ \xHH, and \*20(ab) for twenty times ab, also nested. A line's own
// end is not part of it.
#pragma once

#include <dirent.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace vectors {

struct Vector {
  std::string file, name, why;
  std::map<std::string, std::string> keys;
  std::string bytes;
  bool has(const char* key) const { return keys.count(key) != 0; }
  std::string at(const char* key) const { return has(key) ? keys.find(key)->second : std::string(); }
};

inline std::string unescape(const std::string& from) {
  std::string out;
  for (std::size_t at = 0; at < from.size(); ++at) {
    if (from[at] != '\\') {
      out += from[at];
      continue;
    }
    const char c = from[++at];
    if (c == 'r') out += '\r';
    else if (c == 'n') out += '\n';
    else if (c == 't') out += '\t';
    else if (c == 'x') out += static_cast<char>(std::stoi(from.substr(at + 1, 2), nullptr, 16)), at += 2;
    else if (c == '*') {
      const std::size_t open = from.find('(', at);
      std::size_t close = open + 1;
      for (int depth = 1; close < from.size(); ++close)
        if ((depth += from[close] == '(' ? 1 : from[close] == ')' ? -1 : 0) == 0) break;
      const std::string part = unescape(from.substr(open + 1, close - open - 1));
      for (int n = std::stoi(from.substr(at + 1, open - at - 1)); n > 0; --n) out += part;
      at = close;
    } else out += c;
  }
  return out;
}

// Every vector of a file, or of all .txt files of a folder in the order of their names.
inline std::vector<Vector> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::fprintf(stderr, "no %s: run this from the top of the tree\n", path.c_str());
    std::exit(1);
  }
  std::vector<Vector> all;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("== ", 0) == 0) {
      all.emplace_back();
      all.back().file = path;
      all.back().name = line.substr(3);
    } else if (line.empty() || all.empty()) {
      continue;
    } else if (line.rfind("# ", 0) == 0) {
      all.back().why += line.substr(2) + " ";
    } else if (line.rfind("> ", 0) == 0) {
      all.back().bytes += unescape(line.substr(2));
    } else {
      const std::size_t space = line.find(' ');
      all.back().keys[line.substr(0, space)] = space == std::string::npos ? "" : unescape(line.substr(space + 1));
    }
  }
  return all;
}

inline std::vector<Vector> read_folder(const std::string& folder) {
  std::vector<std::string> names;
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) {
    std::fprintf(stderr, "no %s: run this from the top of the tree\n", folder.c_str());
    std::exit(1);
  }
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (name.size() > 4 && name.substr(name.size() - 4) == ".txt") names.push_back(name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  std::vector<Vector> all;
  for (const std::string& name : names) {
    std::vector<Vector> more = read_file(folder + "/" + name);
    all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return all;
}

}  // namespace vectors
