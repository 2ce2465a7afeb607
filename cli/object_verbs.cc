#include "cli/object_verbs.h"

#include "cli/duration.h"
#include "cli/duration_check.h"

namespace claimfs::cli {
namespace {

constexpr const char* kDeedFormats = "json, yaml, name, jsonpath=…";

}  // namespace

void ObjectVerbs::add_to(VerbTable& verbs) {
  add_get(verbs);
  add_describe(verbs);
  add_apply(verbs);
  add_delete(verbs);
  add_patch(verbs);
  add_labels(verbs);
  add_edit(verbs);
  add_wait(verbs);
}

void ObjectVerbs::add_namespace(CLI::App* verb) {
  verb->add_option("-n,--namespace", resources_.name_space, "namespace (default)");
}

void ObjectVerbs::add_files(CLI::App* verb, const char* description) {
  verb->add_option("-f,--filename", resources_.files, description)
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
}

void ObjectVerbs::add_dry_run(CLI::App* verb) {
  verb->add_flag("--dry-run{client}", dry_run_, "say what would be done, and do nothing");
}

void ObjectVerbs::add_resources(CLI::App* verb) {
  verb->add_option("resources", resources_.words, "KIND[,KIND…] [NAME…], or KIND/NAME…");
  add_namespace(verb);
  add_files(verb, "the objects that these manifests name");
  verb->add_flag("-A,--all-namespaces", resources_.all_namespaces, "those of all namespaces");
  verb->add_option("-l,--selector", resources_.selector, "labels: a=b,c!=d,e in (f,g),h,!i");
  verb->add_option("--field-selector", resources_.field_selector,
                   "metadata.name=x,metadata.namespace!=y");
}

bool ObjectVerbs::is_dry_run() const {
  return !dry_run_.empty() && dry_run_ != "none" && dry_run_ != "false";
}

GetArguments ObjectVerbs::get_arguments() const {
  GetArguments arguments = get_;
  arguments.resources = resources_;
  arguments.output = output_;
  arguments.ignore_not_found = ignore_not_found_;
  return arguments;
}

void ObjectVerbs::add_get(VerbTable& verbs) {
  CLI::App* get = verbs.add_on_store("get", "show objects", [this](Context& context) {
    return cli::get(context, get_arguments());
  });
  add_resources(get);
  get->add_option("-o,--output", output_,
                  "wide, json, yaml, name, jsonpath=…, jsonpath-as-json=…, jsonpath-file=…, "
                  "custom-columns=…, custom-columns-file=…");
  get->add_option("--sort-by", get_.sort_by, "a JSONPath");
  get->add_option("-L,--label-columns", get_.label_columns, "labels to show as columns")
      ->delimiter(',')
      ->allow_extra_args(false);
  get->add_flag("--show-labels", get_.show_labels, "all labels as the last column");
  get->add_flag("--show-kind", get_.show_kind, "the kind before each name");
  get->add_flag("--show-managed-fields", get_.show_managed_fields,
                "managedFields too, in json and yaml");
  get->add_flag("--no-headers", get_.no_headers, "no titles above the columns");
  get->add_flag("--ignore-not-found", ignore_not_found_, "names that are missing are no error");
  get->add_flag("-w,--watch", get_.watch, "go on with what changes");
  get->add_flag("--watch-only", get_.watch_only, "only what changes");
  get->add_flag("--output-watch-events", get_.output_watch_events,
                "say whether a watched object was ADDED, MODIFIED or DELETED");
}

void ObjectVerbs::add_describe(VerbTable& verbs) {
  CLI::App* describe = verbs.add_on_store(
      "describe", "show objects with their events, for people",
      [this](Context& context) { return cli::describe(context, get_arguments()); });
  add_resources(describe);
}

void ObjectVerbs::add_apply(VerbTable& verbs) {
  const auto arguments = [this] {
    return ApplyArguments{.files = resources_.files,
                          .name_space = resources_.name_space,
                          .dry_run = is_dry_run(),
                          .save_config = save_config_,
                          .output = output_};
  };
  CLI::App* apply = verbs.add_on_store(
      "apply", "make objects be as the manifests say",
      [arguments](Context& context) { return cli::apply(context, arguments()); });
  CLI::App* create = verbs.add_on_store(
      "create", "create the manifests' objects",
      [arguments](Context& context) { return cli::create(context, arguments()); });
  create->add_flag("--save-config", save_config_,
                   "keep what was said in the annotation that a later apply compares with");
  for (CLI::App* verb : {apply, create}) {
    add_files(verb, "a file, a directory, or - for stdin; may be repeated");
    verb->get_option("--filename")->required();
    add_namespace(verb);
    add_dry_run(verb);
    verb->add_option("-o,--output", output_, kDeedFormats);
  }
}

void ObjectVerbs::add_delete(VerbTable& verbs) {
  CLI::App* remove = verbs.add_on_store(
      "delete", "delete objects; waits until they are gone", [this](Context& context) {
        return cli::remove(context, {.resources = resources_,
                                     .output = output_,
                                     .ignore_not_found = ignore_not_found_,
                                     .dry_run = is_dry_run(),
                                     .wait = wait_ != "false",
                                     .timeout = parse_duration(timeout_.value_or("0")).value()});
      });
  add_resources(remove);
  remove->add_flag("--all", resources_.all, "all objects of the kinds");
  remove->add_flag("--ignore-not-found", ignore_not_found_, "names that are missing are no error");
  remove->add_option("--wait", wait_, "whether to wait (true)")
      ->check(CLI::IsMember({"true", "false"}));
  remove->add_option("--timeout", timeout_, "how long to wait (0: for ever)")
      ->check(duration_check());
  add_dry_run(remove);
  remove->add_option("-o,--output", output_, "name");
}

void ObjectVerbs::add_patch(VerbTable& verbs) {
  CLI::App* patch = verbs.add_on_store("patch", "change an object by a JSON merge patch",
                                       [this](Context& context) {
                                         return cli::patch(context, {.resources = resources_,
                                                                     .output = output_,
                                                                     .type = type_,
                                                                     .patch = patch_,
                                                                     .patch_file = patch_file_});
                                       });
  add_resources(patch);
  patch->add_option("-p,--patch", patch_, "the patch, as JSON or YAML");
  patch->add_option("--patch-file", patch_file_, "a file with the patch");
  patch->add_option("--type", type_, "merge (RFC 7386, the default) or json (RFC 6902)")
      ->check(CLI::IsMember({"merge", "json"}));
  patch->add_option("-o,--output", output_, kDeedFormats);
}

void ObjectVerbs::add_labels(VerbTable& verbs) {
  const auto add = [&](const char* name, const char* description, KeyMap map) {
    CLI::App* verb = verbs.add_on_store(name, description, [this, map](Context& context) {
      return cli::label(context, {.map = map,
                                  .resources = resources_,
                                  .output = output_,
                                  .resource_version = resource_version_,
                                  .overwrite = overwrite_,
                                  .dry_run = is_dry_run()});
    });
    add_resources(verb);
    verb->get_option("resources")
        ->description("KIND NAME…, or KIND/NAME…, and then KEY=VALUE to set, KEY- to remove");
    verb->add_flag("--all", resources_.all, "all objects of the kinds");
    verb->add_flag("--overwrite", overwrite_, "change what is set already");
    verb->add_option("--resource-version", resource_version_,
                     "only if this is the object's version");
    add_dry_run(verb);
    verb->add_option("-o,--output", output_, kDeedFormats);
  };
  add("label", "set and remove labels", KeyMap::Labels);
  add("annotate", "set and remove annotations", KeyMap::Annotations);
}

void ObjectVerbs::add_edit(VerbTable& verbs) {
  CLI::App* edit = verbs.add_on_store(
      "edit", "change objects in an editor (KUBE_EDITOR, EDITOR, vi)", [this](Context& context) {
        return cli::edit(context, {.resources = resources_, .output = output_});
      });
  add_resources(edit);
  edit->add_option("-o,--output", output_, "what to edit: yaml, json");
}

void ObjectVerbs::add_wait(VerbTable& verbs) {
  CLI::App* wait = verbs.add_on_store("wait", "wait for a condition", [this](Context& context) {
    return cli::wait(context, {.resources = resources_,
                               .condition = condition_,
                               .timeout = parse_duration(timeout_.value_or("30s")).value()});
  });
  add_resources(wait);
  wait->add_flag("--all", resources_.all, "all objects of the kinds");
  wait->add_option("--for", condition_,
                   "delete, create, condition=TYPE[=VALUE], jsonpath={PATH}[=VALUE], phase=PHASE")
      ->required();
  wait->add_option("--timeout", timeout_, "how long to wait (30s; 0: ask once; negative: for ever)")
      ->check(duration_check());
}

}  // namespace claimfs::cli
