//! The actions of policies: those that mean something here, and others of AWS.

use crate::{
    document,
    policy::{pattern::Pattern, resource::Kind},
};

/// What a policy can allow here.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// `iot:Connect`, on a client identifier.
    Connect,
    /// `iot:Publish`, on a topic.
    Publish,
    /// `iot:RetainPublish`, on a topic.
    RetainPublish,
    /// `iot:Subscribe`, on a topic filter.
    Subscribe,
    /// `iot:Receive`, on a topic.
    Receive,
    /// `greengrass:Discover`, on a thing's name.
    Discover,
}

/// Some of the actions.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Actions(u8);

/// Actions of AWS that a device's policy may name and that allow nothing here. Over MQTT it is
/// the topics of shadows and jobs that count, as in AWS.
const ELSEWHERE: [&str; 55] = [
    "iot:AssumeRoleWithCertificate",
    "iot:CreateCertificateFromCsr",
    "iot:CreateCertificateFromProvisioningClaim",
    "iot:CreateKeysAndCertificate",
    "iot:DeleteConnection",
    "iot:DeleteThingShadow",
    "iot:DescribeCertificate",
    "iot:DescribeEndpoint",
    "iot:DescribeJob",
    "iot:DescribeJobExecution",
    "iot:DescribeThing",
    "iot:DescribeThingGroup",
    "iot:GetConnection",
    "iot:GetPendingJobExecutions",
    "iot:GetRetainedMessage",
    "iot:GetThingShadow",
    "iot:ListNamedShadowsForThing",
    "iot:ListRetainedMessages",
    "iot:ListSubscriptions",
    "iot:ListThingGroupsForThing",
    "iot:ListThingPrincipals",
    "iot:RegisterThing",
    "iot:SendDirectMessage",
    "iot:StartNextPendingJobExecution",
    "iot:UpdateJobExecution",
    "iot:UpdateThingShadow",
    "iotjobsdata:DescribeJobExecution",
    "iotjobsdata:GetPendingJobExecutions",
    "iotjobsdata:StartCommandExecution",
    "iotjobsdata:StartNextPendingJobExecution",
    "iotjobsdata:UpdateJobExecution",
    "greengrass:AssociateServiceRoleToAccount",
    "greengrass:AssumeRoleForGroup",
    "greengrass:CreateCertificate",
    "greengrass:GetComponent",
    "greengrass:GetComponentVersionArtifact",
    "greengrass:GetConnectivityInfo",
    "greengrass:GetCoreDefinition",
    "greengrass:GetCoreDefinitionVersion",
    "greengrass:GetDeployment",
    "greengrass:GetDeploymentArtifacts",
    "greengrass:GetDeploymentConfiguration",
    "greengrass:GetDeploymentStatus",
    "greengrass:GetGroup",
    "greengrass:GetGroupCertificateAuthority",
    "greengrass:GetGroupVersion",
    "greengrass:ListClientDevicesAssociatedWithCoreDevice",
    "greengrass:ListGroupCertificateAuthorities",
    "greengrass:ListThingGroupsForCoreDevice",
    "greengrass:PutCertificateAuthorities",
    "greengrass:ResolveComponentCandidates",
    "greengrass:UpdateConnectivityInfo",
    "greengrass:UpdateCoreDeploymentStatus",
    "greengrass:VerifyClientDeviceIdentity",
    "greengrass:VerifyClientDeviceIoTCertificateAssociation",
];

impl Action {
    /// All of them.
    pub const ALL: [Action; 6] = [
        Action::Connect,
        Action::Publish,
        Action::RetainPublish,
        Action::Subscribe,
        Action::Receive,
        Action::Discover,
    ];

    /// Its name in policies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Action::Connect => "iot:Connect",
            Action::Publish => "iot:Publish",
            Action::RetainPublish => "iot:RetainPublish",
            Action::Subscribe => "iot:Subscribe",
            Action::Receive => "iot:Receive",
            Action::Discover => "greengrass:Discover",
        }
    }

    /// The kind of resource that it is on.
    pub(super) fn kind(self) -> Kind {
        match self {
            Action::Connect => Kind::Client,
            Action::Publish | Action::RetainPublish | Action::Receive => Kind::Topic,
            Action::Subscribe => Kind::TopicFilter,
            Action::Discover => Kind::Thing,
        }
    }
}

impl Actions {
    /// The actions that `text` means, which may have wildcards.
    pub(super) fn parse(text: &str) -> Result<Actions, String> {
        let lower = text.to_ascii_lowercase();
        let service = lower.split_once(':').map(|(service, _)| service);
        if text != "*" && service.is_none_or(|service| service.contains(['*', '?'])) {
            return Err(format!(
                "`{text}` is no action: it would be `*`, or begin with `iot:` or `greengrass:`"
            ));
        }
        let pattern = Pattern::with_wildcards(&lower);
        let is_meant = |name: &str| pattern.matches(&name.to_ascii_lowercase());
        let here = Action::ALL
            .into_iter()
            .filter(|action| is_meant(action.name()));
        let here = here.fold(Actions::default(), |all, action| all.with(action));
        if here == Actions::default() && !ELSEWHERE.into_iter().any(is_meant) {
            let here = Action::ALL.iter().map(|action| action.name());
            let instead = document::nearest(text, here.clone().chain(ELSEWHERE))
                .unwrap_or_else(|| document::instead(text, here));
            return Err(format!(
                "there is no action `{text}` for devices; {instead}"
            ));
        }
        Ok(here)
    }

    fn with(self, action: Action) -> Actions {
        Actions(self.0 | 1 << action as u8)
    }

    /// These and `others`.
    pub(super) fn and(self, others: Actions) -> Actions {
        Actions(self.0 | others.0)
    }

    /// Whether `action` is one of them.
    pub(super) fn contain(self, action: Action) -> bool {
        self.0 & 1 << action as u8 != 0
    }

    /// Whether there is none.
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}
