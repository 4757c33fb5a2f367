#include "yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <set>
#include <sstream>

#include "tidemark/base/bytes.hpp"
#include "value.hpp"

namespace tidemark::config {
namespace {

constexpr std::size_t kMaxDepth = 8;

/// Stops the library's parser. Never leaves parse_yaml().
class Refusal : public std::exception {
 public:
  explicit Refusal(YamlFault fault) : fault_(std::move(fault)) {}
  const YamlFault& fault() const noexcept { return fault_; }

 private:
  YamlFault fault_;
};

int line_of(const YAML::Mark& mark) noexcept {
  return mark.line + 1;
}

[[noreturn]] void refuse(const YAML::Mark& mark, std::string what, std::string remedy) {
  throw Refusal({line_of(mark), {std::move(what), std::move(remedy)}});
}

/// Builds the tree from the library's events. The library's own tree would follow aliases and take repeated keys.
class Builder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse_key(mark, "nothing");
    add({line_of(mark), YamlNode::Null{}});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "an alias (*name)", "write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    refuse_tag(mark, tag);
    if (expects_key()) {
      take_key(mark, value);
    } else {
      add({line_of(mark), value});
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    refuse_key(mark, "a list");
    open(mark, {line_of(mark), YamlNode::List{}});
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    refuse_key(mark, "a map");
    open(mark, {line_of(mark), YamlNode::Map{}});
  }
  void OnMapEnd() override { close(); }

  YamlNode take_root() { return std::move(root_); }

 private:
  /// A list or map that isn't complete yet.
  struct Open {
    YamlNode node;
    bool has_key = false;  // Maps: `key` waits for its value.
    std::string key;
    int key_line = 0;
    std::set<std::string> keys;
  };

  bool expects_key() const { return !open_.empty() && open_.back().node.map() != nullptr && !open_.back().has_key; }

  void refuse_key(const YAML::Mark& mark, const std::string& kind) const {
    if (expects_key()) refuse(mark, kind + " as the key of a map", "write keys as plain text");
  }

  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    const bool implied = tag.empty() || tag == "?" || tag == "!";  // Plain and quoted, as the library calls them.
    if (!implied) refuse(mark, "a tag (!" + shown(tag) + ")", "leave it out; each setting has its type");
  }

  void take_key(const YAML::Mark& mark, const std::string& key) {
    Open& map = open_.back();
    if (!map.keys.insert(key).second) refuse(mark, "the key " + shown(key) + " a second time", "keep one of the two");
    map.has_key = true;
    map.key = key;
    map.key_line = line_of(mark);
  }

  void open(const YAML::Mark& mark, YamlNode node) {
    if (open_.size() == kMaxDepth) refuse(mark, "nesting deeper than 8", "nothing in this file nests so deep");
    open_.push_back({std::move(node), false, {}, 0, {}});
  }

  void close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  void add(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (auto* list = std::get_if<YamlNode::List>(&parent.node.value)) {
      list->push_back(std::move(node));
    } else {
      std::get<YamlNode::Map>(parent.node.value).push_back({std::move(parent.key), parent.key_line, std::move(node)});
      parent.has_key = false;
    }
  }

  YamlNode root_{1, YamlNode::Null{}};
  std::vector<Open> open_;
};

int line_at(std::string_view text, std::size_t offset) {
  return 1 + static_cast<int>(std::ranges::count(text.substr(0, offset), '\n'));
}

/// The line of the first byte that isn't storable text.
int first_bad_line(std::string_view text) {
  std::size_t good = 0;
  std::size_t bad = text.size();
  while (good + 1 < bad) {  // A prefix that ends within a character is bad too, which costs no line.
    const std::size_t middle = (good + bad) / 2;
    (is_storable_text(text.substr(0, middle)) ? good : bad) = middle;
  }
  return line_at(text, good);
}

}  // namespace

std::string_view YamlNode::kind() const {
  if (list() != nullptr) return "a list";
  if (map() != nullptr) return "a map";
  return is_null() ? "nothing" : "a text";
}

tl::expected<YamlNode, YamlFault> parse_yaml(const std::string& text) {
  if (!is_storable_text(text)) {
    return tl::unexpected(YamlFault{first_bad_line(text), {"bytes that aren't UTF-8 text", "save the file as UTF-8"}});
  }
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Builder builder;
    parser.HandleNextDocument(builder);
    YamlNode root = builder.take_root();
    Builder rest;
    if (parser.HandleNextDocument(rest)) {
      return tl::unexpected(YamlFault{0, {"a second document (---)", "keep one"}});
    }
    return root;
  } catch (const Refusal& refusal) {
    return tl::unexpected(refusal.fault());
  } catch (const YAML::Exception& fault) {
    const int line = fault.mark.is_null() ? 0 : line_of(fault.mark);
    return tl::unexpected(YamlFault{line, {"not YAML (" + fault.msg + ")", "mend the syntax"}});
  } catch (const std::exception& fault) {  // The library lets a few of the standard library's through.
    return tl::unexpected(YamlFault{0, {std::string("not YAML (") + fault.what() + ")", "mend the syntax"}});
  }
}

}  // namespace tidemark::config
