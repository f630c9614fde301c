"""YAML read strictly. Elastic Beanstalk takes the last of two equal keys without a word, and nothing says that it knows
anchors, which CloudFormation does not; so both are refused."""

from collections.abc import Hashable
from typing import Any

import yaml


class StrictLoader(yaml.SafeLoader):
    """Safe, without anchors and equal keys; CloudFormation's short tags become their long names."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if getattr(event, "anchor", None):
            raise yaml.constructor.ConstructorError(
                None, None, f"there is an anchor or alias ({event.anchor}): write it out", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _value in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def construct_short_tag(self, suffix: str, node: yaml.Node) -> dict[str, Any]:
        name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
        if isinstance(node, yaml.ScalarNode):
            return {name: self.construct_scalar(node)}
        if isinstance(node, yaml.SequenceNode):
            return {name: self.construct_sequence(node, deep=True)}
        assert isinstance(node, yaml.MappingNode)  # noqa: S101 (there is no fourth kind)
        return {name: self.construct_mapping(node, deep=True)}


StrictLoader.add_multi_constructor("!", StrictLoader.construct_short_tag)


def read_yaml(text: str) -> Any:
    """What the text holds; yaml.YAMLError when it is not strict YAML."""
    return yaml.load(text, Loader=StrictLoader)  # noqa: S506 (a safe loader)
