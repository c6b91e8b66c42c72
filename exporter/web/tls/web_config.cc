// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/tls/web_config.h"

#include <openssl/ssl.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <set>

namespace kvmx {
namespace {

/// Carries a sentence out of the parser below; yaml-cpp has exceptions of its own.
struct Mistake {
  std::string message;
};

[[noreturn]] void fail(const YAML::Mark& mark, const std::string& what) {
  throw Mistake{"line " + std::to_string(mark.line + 1) + ", column " +
                std::to_string(mark.column + 1) + ": " + what};
}

std::string scalar(const YAML::Node& node, const std::string& key) {
  if (!node.IsScalar()) fail(node.Mark(), key + " is to be a text");
  return node.Scalar();
}

bool boolean(const YAML::Node& node, const std::string& key) {
  // YAML 1.1 has all of these, and exporter-toolkit takes them.
  static const std::set<std::string> yes = {"true", "True", "TRUE", "y",  "Y", "yes",
                                            "Yes",  "YES",  "on",   "On", "ON"};
  static const std::set<std::string> no = {"false", "False", "FALSE", "n",   "N",  "no",
                                           "No",    "NO",    "off",   "Off", "OFF"};
  const std::string text = scalar(node, key);
  if (!yes.contains(text) && !no.contains(text)) fail(node.Mark(), key + " is to be true or false");
  return yes.contains(text);
}

std::vector<std::string> texts(const YAML::Node& node, const std::string& key) {
  if (!node.IsSequence()) fail(node.Mark(), key + " is to be a list");
  std::vector<std::string> list;
  for (const YAML::Node& element : node) list.push_back(scalar(element, key));
  return list;
}

std::string join(const auto& names) {
  std::string joined;
  for (const auto& [name, ignored] : names)
    if (!name.empty()) joined += (joined.empty() ? "" : ", ") + name;
  return joined;
}

/// What to do with the value of each key that a mapping may have.
using Keys = std::map<std::string, std::function<void(const YAML::Node&)>>;

using Pairs = std::vector<std::pair<YAML::Node, YAML::Node>>;

/// Adds the pairs of a mapping to `pairs`, and those of the mappings that it merges ("<<: *alias"
/// of YAML 1.1), of which keys that are there already do not count. `merges`: how many more there
/// may be.
void add_pairs(const YAML::Node& node, const std::string& where, Pairs& pairs, int& merges) {
  if (!node.IsMap()) fail(node.Mark(), where + " is to be a mapping of keys to values");
  std::vector<YAML::Node> merged;
  std::set<std::string> own;
  for (const auto& pair : node) {
    const YAML::Node& key = pair.first;
    if (!key.IsScalar()) fail(key.Mark(), where + " has a key that is not a text");
    if (key.Scalar() == "<<" && key.Tag() == "?") {  // not in quotes
      merged.push_back(pair.second);
      continue;
    }
    if (!own.insert(key.Scalar()).second)
      fail(key.Mark(), "\"" + key.Scalar() + "\" is there twice");
    const bool is_new = std::ranges::none_of(
        pairs, [&](const auto& known) { return known.first.Scalar() == key.Scalar(); });
    if (is_new) pairs.emplace_back(key, pair.second);
  }
  const auto merge = [&](const YAML::Node& more) {
    if (--merges < 0) fail(node.Mark(), where + " merges more than any web configuration");
    add_pairs(more, where, pairs, merges);
  };
  for (const YAML::Node& more : merged) {
    if (more.IsSequence())
      for (const YAML::Node& each : more) merge(each);
    else
      merge(more);
  }
}

void each_pair(const YAML::Node& node, const std::string& where,
               const std::function<void(const YAML::Node&, const YAML::Node&)>& take) {
  constexpr int kMaxMerges = 100;
  if (node.IsNull()) return;
  Pairs pairs;
  int merges = kMaxMerges;
  add_pairs(node, where, pairs, merges);
  for (const auto& [key, value] : pairs) take(key, value);
}

void parse_mapping(const YAML::Node& node, const std::string& where, const Keys& keys) {
  each_pair(node, where, [&](const YAML::Node& key, const YAML::Node& value) {
    const auto known = keys.find(key.Scalar());
    if (known == keys.end())
      fail(key.Mark(),
           "\"" + key.Scalar() + "\" is not known in " + where + ", which has " + join(keys));
    // A key without a value is as if it were not there.
    if (!value.IsNull()) known->second(value);
  });
}

/// The value for one of a set of names.
template <typename T>
T choice(const YAML::Node& node, const std::string& key, const std::map<std::string, T>& choices) {
  const auto found = choices.find(scalar(node, key));
  if (found == choices.end())
    fail(node.Mark(), key + " cannot be \"" + node.Scalar() + "\": choose " + join(choices));
  return found->second;
}

const std::map<std::string, int> kVersions = {{"TLS10", TLS1_VERSION},
                                              {"TLS11", TLS1_1_VERSION},
                                              {"TLS12", TLS1_2_VERSION},
                                              {"TLS13", TLS1_3_VERSION}};

const std::map<std::string, ClientAuth> kClientAuths = {
    {"", ClientAuth::none},
    {"NoClientCert", ClientAuth::none},
    {"RequestClientCert", ClientAuth::request},
    {"RequireAnyClientCert", ClientAuth::require_any},
    {"RequireClientCert", ClientAuth::require_any},  // as the format had it before
    {"VerifyClientCertIfGiven", ClientAuth::verify_if_given},
    {"RequireAndVerifyClientCert", ClientAuth::require_and_verify}};

const std::map<std::string, std::string> kCurves = {
    {"CurveP256", "P-256"}, {"CurveP384", "P-384"}, {"CurveP521", "P-521"}, {"X25519", "X25519"}};

std::string cipher_suite(const YAML::Node& node) {
  std::string name = scalar(node, "cipher_suites");
  if (OPENSSL_cipher_name(name.c_str()) == std::string_view("(NONE)"))
    fail(node.Mark(), "OpenSSL knows no cipher suite \"" + name + "\"");
  return name;
}

void check_tls(const TlsConfig& tls, const YAML::Mark& mark) {
  if (!tls.certificate.given() || !tls.key.given())
    fail(mark, "tls_server_config needs a certificate and its key: cert_file and key_file");
  if (tls.min_version > tls.max_version) fail(mark, "min_version is above max_version");
  if (tls.client_ca.given() && tls.client_auth == ClientAuth::none)
    fail(mark,
         "client_ca_file has no effect without a client_auth_type, such as "
         "RequireAndVerifyClientCert");
  // exporter-toolkit lets everyone in then.
  if (tls.client_allowed_sans && tls.client_auth == ClientAuth::none)
    fail(mark,
         "client_allowed_sans has no effect without a client_auth_type, such as "
         "RequireAndVerifyClientCert");
}

/// Nothing if no key is there that makes a server one with TLS. Others, such as min_version, may
/// stand in a file without.
std::optional<TlsConfig> parse_tls(const YAML::Node& node, const std::filesystem::path& directory) {
  TlsConfig tls;
  bool names_client_auth = false;
  tls.min_version = TLS1_2_VERSION;
  tls.max_version = TLS1_3_VERSION;
  // Where there are both, the file counts.
  const auto file = [&](const std::string& key, Pem& pem) {
    return [&directory, &pem, key](const YAML::Node& value) {
      const std::string name = scalar(value, key);
      if (!name.empty()) pem.file = directory / name;
    };
  };
  const auto text = [](const std::string& key, Pem& pem) {
    return [&pem, key](const YAML::Node& value) { pem.text = scalar(value, key); };
  };
  parse_mapping(
      node, "tls_server_config",
      {{"cert_file", file("cert_file", tls.certificate)},
       {"cert", text("cert", tls.certificate)},
       {"key_file", file("key_file", tls.key)},
       {"key", text("key", tls.key)},
       {"client_ca_file", file("client_ca_file", tls.client_ca)},
       {"client_ca", text("client_ca", tls.client_ca)},
       {"client_auth_type",
        [&](const auto& v) {
          tls.client_auth = choice(v, "client_auth_type", kClientAuths);
          names_client_auth = !v.Scalar().empty();
        }},
       {"client_allowed_sans",
        [&](const auto& v) { tls.client_allowed_sans = texts(v, "client_allowed_sans"); }},
       {"min_version",
        [&](const auto& v) { tls.min_version = choice(v, "min_version", kVersions); }},
       {"max_version",
        [&](const auto& v) { tls.max_version = choice(v, "max_version", kVersions); }},
       {"cipher_suites",
        [&](const auto& v) {
          static_cast<void>(texts(v, "cipher_suites"));
          for (const YAML::Node& suite : v) tls.cipher_suites.push_back(cipher_suite(suite));
        }},
       {"curve_preferences",
        [&](const auto& v) {
          static_cast<void>(texts(v, "curve_preferences"));
          for (const YAML::Node& curve : v)
            tls.curves.push_back(choice(curve, "curve_preferences", kCurves));
        }},
       {"prefer_server_cipher_suites", [&](const auto& v) {
          tls.prefer_server_cipher_suites = boolean(v, "prefer_server_cipher_suites");
        }}});
  const bool has_tls =
      tls.certificate.given() || tls.key.given() || tls.client_ca.given() || names_client_auth;
  if (!has_tls) return std::nullopt;
  check_tls(tls, node.Mark());
  return tls;
}

/// The headers that exporter-toolkit allows to be set, with the values that they may have; none:
/// any.
const std::map<std::string, std::vector<std::string>> kHeaders = {
    {"Content-Security-Policy", {}},
    {"Strict-Transport-Security", {}},
    {"X-Content-Type-Options", {"nosniff"}},
    {"X-Frame-Options", {"deny", "sameorigin"}},
    {"X-XSS-Protection", {}}};

std::string header_value(const YAML::Node& node, const std::string& name,
                         const std::vector<std::string>& allowed) {
  std::string text = scalar(node, name);
  for (const char c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
      fail(node.Mark(), name + " has a control character");
  if (!allowed.empty() && std::ranges::find(allowed, text) == allowed.end())
    fail(node.Mark(), name + " cannot be \"" + text + "\": choose " + allowed.front() +
                          (allowed.size() > 1 ? " or " + allowed.back() : ""));
  return text;
}

Headers parse_headers(const YAML::Node& node) {
  Headers headers;
  Keys keys;
  for (const auto& [name, allowed] : kHeaders)
    keys[name] = [&headers, &name = name, &allowed = allowed](const YAML::Node& value) {
      const std::string text = header_value(value, name, allowed);
      if (!text.empty()) headers.emplace_back(name, text);
    };
  parse_mapping(node, "headers", keys);
  return headers;
}

std::optional<RateLimit> parse_rate_limit(const YAML::Node& node) {
  RateLimit limit;
  parse_mapping(node, "rate_limit",
                {{"interval",
                  [&](const YAML::Node& value) {
                    const auto interval = parse_go_duration(scalar(value, "interval"));
                    if (!interval || interval->count() < 0)
                      fail(value.Mark(), "interval is to be a duration, such as 100ms or 1s");
                    limit.interval = *interval;
                  }},
                 {"burst", [&](const YAML::Node& value) {
                    const std::string text = scalar(value, "burst");
                    const char* const end = text.data() + text.size();
                    const auto [last, error] = std::from_chars(text.data(), end, limit.burst);
                    if (error != std::errc() || last != end || limit.burst < 0)
                      fail(value.Mark(), "burst is to be a number of requests");
                  }}});
  return limit.interval.count() == 0 ? std::nullopt : std::optional(limit);
}

/// $2b$10$ and 22 + 31 characters of salt and hash, as crypt(5) has it.
bool is_bcrypt(std::string_view hash) {
  if (hash.size() != 60 || hash[0] != '$' || hash[1] != '2' || hash[3] != '$' || hash[6] != '$')
    return false;
  const std::string_view variant = "aby";
  if (variant.find(hash[2]) == std::string_view::npos) return false;
  if (hash[4] < '0' || hash[4] > '3' || hash[5] < '0' || hash[5] > '9') return false;
  const int cost = (hash[4] - '0') * 10 + (hash[5] - '0');
  if (cost < 4 || cost > 31) return false;
  return hash.substr(7).find_first_not_of(
             "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") ==
         std::string_view::npos;
}

std::map<std::string, std::string> parse_users(const YAML::Node& node) {
  std::map<std::string, std::string> users;
  each_pair(node, "basic_auth_users", [&](const YAML::Node& key, const YAML::Node& value) {
    const std::string& name = key.Scalar();
    if (name.empty() || name.find(':') != std::string::npos)
      fail(key.Mark(), "a user's name is not empty and has no colon");
    if (!is_bcrypt(scalar(value, "a user's password")))
      fail(value.Mark(), "the password of " + name +
                             " is to be a bcrypt hash, as \"htpasswd -nBC 10 NAME\" makes it");
    users[name] = value.Scalar();
  });
  return users;
}

WebConfig parse(std::string_view yaml, const std::filesystem::path& directory) {
  WebConfig config;
  parse_mapping(
      YAML::Load(std::string(yaml)), "a web configuration",
      {{"tls_server_config",
        [&](const YAML::Node& value) { config.tls = parse_tls(value, directory); }},
       {"http_server_config",
        [&](const YAML::Node& value) {
          parse_mapping(value, "http_server_config",
                        {{"http2", [](const auto& v) { static_cast<void>(boolean(v, "http2")); }},
                         {"headers", [&](const auto& v) { config.headers = parse_headers(v); }}});
        }},
       {"rate_limit",
        [&](const YAML::Node& value) { config.rate_limit = parse_rate_limit(value); }},
       {"basic_auth_users", [&](const YAML::Node& value) { config.users = parse_users(value); }}});
  return config;
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text) {
  static const std::map<std::string_view, double> units = {
      {"ns", 1},   {"us", 1e3}, {"\u00b5s", 1e3}, {"\u03bcs", 1e3},
      {"ms", 1e6}, {"s", 1e9},  {"m", 6e10},      {"h", 3.6e12}};
  constexpr double kMost = 9e18;
  double total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
    if (error != std::errc() || end != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    if (text.empty() && total == 0 && number == std::trunc(number) && number < kMost)
      return std::chrono::nanoseconds(static_cast<std::int64_t>(number));
    const std::size_t letters = std::min(text.find_first_of("0123456789."), text.size());
    const auto unit = units.find(text.substr(0, letters));
    if (unit == units.end()) return std::nullopt;
    text.remove_prefix(letters);
    total += number * unit->second;
  }
  if (!(total < kMost)) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(total));
}

Result<WebConfig> parse_web_config(std::string_view yaml, const std::filesystem::path& directory) {
  // yaml-cpp holds a token for each bracket until it knows how the outermost one ends.
  constexpr std::ptrdiff_t kMaxBrackets = 2000;
  if (yaml.size() > kMaxWebConfig)
    return Error{"line 1, column 1: this is larger than any web configuration: " +
                 std::to_string(yaml.size()) + " bytes"};
  if (std::ranges::count_if(yaml, [](char c) { return c == '[' || c == '{'; }) > kMaxBrackets)
    return Error{"line 1, column 1: this has more brackets than any web configuration"};
  try {
    return parse(yaml, directory);
  } catch (const Mistake& mistake) {
    return Error{mistake.message};
  } catch (const YAML::ParserException& error) {
    return Error{"line " + std::to_string(error.mark.line + 1) + ", column " +
                 std::to_string(error.mark.column + 1) + ": this is no YAML: " + error.msg};
  } catch (const YAML::Exception& error) {
    return Error{std::string("this is no YAML that can be read: ") + error.what()};
  }
}

}  // namespace kvmx
