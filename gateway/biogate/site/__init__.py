"""The site file: what it may say, every mistake in it with its place, and the plan it makes."""

from biogate.site.load import SiteError, load_site, parse_site
from biogate.site.model import (
    DeviceConfig,
    FunctionConfig,
    OpcUaConfig,
    SignalConfig,
    Site,
    UnitConfig,
    UserConfig,
    ZoneConfig,
    ZoneOpcUaConfig,
)
from biogate.site.node_plan import MethodPlan, ObjectPlan, SectionPlan, VariablePlan
from biogate.site.plan import (
    Binding,
    DevicePlan,
    FunctionPlan,
    SitePlan,
    UnitPlan,
    plan_site,
)
from biogate.site.schema import site_json_schema
from biogate.site.zone_model import ConduitConfig

__all__ = [
    "Binding",
    "ConduitConfig",
    "DeviceConfig",
    "DevicePlan",
    "FunctionConfig",
    "FunctionPlan",
    "MethodPlan",
    "ObjectPlan",
    "OpcUaConfig",
    "SectionPlan",
    "SignalConfig",
    "Site",
    "SiteError",
    "SitePlan",
    "UnitConfig",
    "UnitPlan",
    "UserConfig",
    "VariablePlan",
    "ZoneConfig",
    "ZoneOpcUaConfig",
    "load_site",
    "parse_site",
    "plan_site",
    "site_json_schema",
]
