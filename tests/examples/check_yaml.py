#!/usr/bin/env python3
"""The YAML among the examples means what it should: known members only, and volumes, labels and ports that fit each other.

Usage: check_yaml.py EXAMPLES. Exit code 77 where there is no PyYAML.
"""

import sys
from pathlib import Path

try:
    import yaml
except ImportError:
    print("SKIPPED: there is no PyYAML here")
    sys.exit(77)

# Members that an object may have; an object is known by the name under which it stands.
MEMBERS = {
    "Deployment": "apiVersion kind metadata spec",
    "CronJob": "apiVersion kind metadata spec",
    "PersistentVolumeClaim": "apiVersion kind metadata spec",
    "Deployment.spec": "replicas selector template",
    "CronJob.spec": "schedule concurrencyPolicy jobTemplate",
    "PersistentVolumeClaim.spec": "accessModes resources storageClassName",
    "pod": "containers volumes terminationGracePeriodSeconds restartPolicy securityContext",
    "container": "name image command args env ports startupProbe readinessProbe livenessProbe resources volumeMounts",
    "probe": "httpGet periodSeconds failureThreshold timeoutSeconds initialDelaySeconds",
    "mount": "name mountPath readOnly subPath",
    "volume": "name persistentVolumeClaim emptyDir",
    "truss": "model_name model_metadata base_image docker_server environment_variables requirements system_packages"
    " resources python_version",
    "docker_server": "start_command server_port predict_endpoint readiness_endpoint liveness_endpoint",
}
VERSIONS = {"Deployment": "apps/v1", "CronJob": "batch/v1", "PersistentVolumeClaim": "v1"}


class Strict(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML's readers silently take one."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise yaml.constructor.ConstructorError(None, None, f"a key stands twice: {keys}", node.start_mark)
        return super().construct_mapping(node, deep)


def need(condition, what):
    if not condition:
        raise ValueError(what)


def check_members(kind, thing):
    unknown = set(thing) - set(MEMBERS[kind].split())
    need(not unknown, f"{kind} has no member {', '.join(sorted(unknown))}")


def check_texts(what, texts):
    need(texts and all(isinstance(text, str) for text in texts), f"{what} holds something that is no string")


def check_environment(names_and_values):
    check_texts("the environment", [text for pair in names_and_values for text in pair])
    need(dict(names_and_values)["BASETEN_FS_ENABLED"] == "1", "BASETEN_FS_ENABLED is not on")


def check_container(container, volumes):
    check_members("container", container)
    check_texts("command", container["command"] + container.get("args", []))
    need(container["command"][0] == "b10-compile-cache", "it does not begin with the command")
    check_environment([(each["name"], each["value"]) for each in container["env"]])
    for mount in container["volumeMounts"]:
        check_members("mount", mount)
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    need(set(mounts) == volumes, f"mounts {sorted(mounts)} and volumes {sorted(volumes)} differ")
    shared = dict((each["name"], each["value"]) for each in container["env"])["B10FS_CACHE_DIR"]
    need(shared.startswith(mounts["compile-cache"] + "/"), f"{shared} does not lie on the volume")
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    for name in [name for name in container if name.endswith("Probe")]:
        check_members("probe", container[name])
        need(container[name]["httpGet"]["port"] in ports, f"{name} asks a port that is not named")
    if ports:
        arguments = container["args"]
        need(arguments[arguments.index("--port") + 1] == str(ports["http"]), "the server listens on another port")


def check_pod(pod):
    """Returns the claims that it uses."""
    check_members("pod", pod)
    for volume in pod["volumes"]:
        check_members("volume", volume)
        need(len(volume) == 2, f"volume {volume['name']} has not one source")
    for container in pod["containers"]:
        check_container(container, {volume["name"] for volume in pod["volumes"]})
    sources = [volume.get("persistentVolumeClaim") for volume in pod["volumes"]]
    return {source["claimName"] for source in sources if source}


def check_kubernetes(thing):
    """Returns the claims that it uses, and the one that it makes."""
    kind = thing["kind"]
    check_members(kind, thing)
    check_members(f"{kind}.spec", thing["spec"])
    need(thing["apiVersion"] == VERSIONS[kind], f"{kind} is not of {thing['apiVersion']}")
    name, spec = thing["metadata"]["name"], thing["spec"]
    if kind == "PersistentVolumeClaim":
        need(spec["accessModes"] == ["ReadWriteMany"], "replicas on several hosts cannot share it")
        return set(), {name}
    if kind == "CronJob":
        need(len(spec["schedule"].split()) == 5, "a schedule has five fields")
        return check_pod(spec["jobTemplate"]["spec"]["template"]["spec"]), set()
    labels = spec["template"]["metadata"]["labels"]
    need(spec["selector"]["matchLabels"].items() <= labels.items(), "the selector does not select the pods")
    return check_pod(spec["template"]["spec"]), set()


def check_truss(thing, folder):
    check_members("truss", thing)
    check_environment(list(thing["environment_variables"].items()))
    server = thing.get("docker_server")
    if server is None:
        need((folder / "model/model.py").is_file(), "there is neither a server nor model/model.py")
        return
    check_members("docker_server", server)
    need(server["server_port"] != 8080, "port 8080 is taken in a Truss")
    need(f"--port {server['server_port']}" in server["start_command"], "the server listens on another port")
    need(server["start_command"].startswith("b10-compile-cache run -- "), "the server is not started by run")


def load(path):
    return yaml.load(path.read_text(), Loader=Strict)


def main():
    examples = Path(sys.argv[1])
    used, made, bad, read = set(), set(), 0, 0
    for path in sorted(examples.rglob("*.yaml")):
        try:
            if "truss" in path.parent.name:
                check_truss(load(path), path.parent)
            else:
                uses, makes = check_kubernetes(load(path))
                used, made = used | uses, made | makes
            read += 1
        except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            print(f"{path}: {type(error).__name__}: {error}")
            bad = 1
    if made != {"compile-cache"} or not made <= used:
        print(f"the claim that is made, {sorted(made)}, is not the one in use, {sorted(used)}")
        bad = 1
    print(f"{read} files")
    return 1 if bad or read < 5 else 0


if __name__ == "__main__":
    sys.exit(main())
