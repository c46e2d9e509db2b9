//! Somebody who calls the suite through generated clients.

use chrono::{Duration, Utc};
use diesel::sql_query;
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use local_servers::suite::NAMES;
use proto::content::v1::attachment_service_client::AttachmentServiceClient;
use proto::content::v1::comment_service_client::CommentServiceClient;
use proto::content::v1::document_service_client::DocumentServiceClient;
use proto::identity::v1 as identity;
use proto::identity::v1::account_service_client::AccountServiceClient;
use proto::identity::v1::auth_service_client::AuthServiceClient;
use proto::identity::v1::login_response::Result as LoginResult;
use proto::identity::v1::user_service_client::UserServiceClient;
use proto::project::v1 as project;
use proto::project::v1::member_service_client::MemberServiceClient;
use proto::project::v1::notification_service_client::NotificationServiceClient;
use proto::project::v1::project_service_client::ProjectServiceClient;
use proto::project::v1::webhook_service_client::WebhookServiceClient;
use proto::task::v1 as task;
use proto::task::v1::milestone_service_client::MilestoneServiceClient;
use proto::task::v1::plan_service_client::PlanServiceClient;
use proto::task::v1::task_service_client::TaskServiceClient;
use proto::task::v1::time_entry_service_client::TimeEntryServiceClient;
use shared::authentication::token_hash;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel};
use tonic::{Request, Status};
use uuid::Uuid;

use super::{Suite, channel_to, new_id, round_trips};

/// A service of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Identity,
    Project,
    Task,
    Content,
}

impl Service {
    /// The name of its program and its schema.
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// Sends a session token with each call.
#[derive(Clone)]
pub struct Bearer(pub Option<String>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        round_trips::add_trace(request.metadata_mut());
        Ok(request)
    }
}

type Client = InterceptedService<Channel, Bearer>;

/// Somebody who calls the suite.
#[derive(Clone)]
pub struct Actor {
    /// UUID of the user; nil for somebody without a session.
    pub id: Uuid,
    pub name: String,
    pub password: String,
    pub session_token: Option<String>,
    pub refresh_token: String,
    channels: [Channel; 4],
    /// Who has signed the services' certificates, where they have some.
    authority: Option<Certificate>,
}

impl Actor {
    pub(super) fn anonymous(suite: &Suite) -> Self {
        let services = [Service::Identity, Service::Project, Service::Task, Service::Content];
        let authority = suite.authority();
        Self { authority, ..Self::over(services.map(|service| suite.channel(service))) }
    }

    fn over(channels: [Channel; 4]) -> Self {
        Self {
            id: Uuid::nil(),
            name: String::new(),
            password: String::new(),
            session_token: None,
            refresh_token: String::new(),
            channels,
            authority: None,
        }
    }

    pub(super) async fn register(suite: &Suite, name: &str) -> Self {
        Self::anonymous(suite).registered(name).await
    }

    /// A new user of a suite that runs elsewhere, at its identity, project, task and content service.
    pub async fn register_over(channels: [Channel; 4], name: &str) -> Self {
        Self::over(channels).registered(name).await
    }

    async fn registered(self, name: &str) -> Self {
        let mut actor = self;
        actor.name = name.to_owned();
        actor.password = format!("the long password of {name}");
        let request = identity::RegisterRequest {
            email: format!("{name}@example.org"),
            username: name.to_owned(),
            password: actor.password.clone(),
            ..Default::default()
        };
        let answer = actor.auth().register(request).await.unwrap().into_inner();
        let Some(LoginResult::SessionGrant(grant)) = answer.result else { panic!("no session: {answer:?}") };
        actor.id = grant.user.unwrap().id.parse().unwrap();
        let tokens = grant.tokens.unwrap();
        actor.session_token = Some(tokens.session_token);
        actor.refresh_token = tokens.refresh_token;
        actor
    }

    pub(super) async fn plant(suite: &Suite, name: &str) -> Self {
        let mut actor = Self::anonymous(suite);
        actor.name = name.to_owned();
        actor.id = Uuid::now_v7();
        let token = format!("dfs_{:0<43}", Uuid::now_v7().simple().to_string());
        let session = shared::caller::Session {
            session_id: Uuid::now_v7(),
            user_id: actor.id,
            // Tests of lifetimes move the clock by days.
            expires_at: Utc::now() + Duration::days(365),
            scopes: None,
        };
        let mut conn = suite.admin().await;
        sql_query(
            "WITH u AS (INSERT INTO identity.users (id, email, username, password_hash) \
             VALUES ($1, $2, $3, '!') RETURNING id), \
             p AS (INSERT INTO identity.user_profiles (user_id) SELECT id FROM u) \
             INSERT INTO identity.user_sessions (user_id, session_token, expires_at, refresh_expires_at, id) \
             SELECT $1, $4, $5, $5, $6 FROM u",
        )
        .bind::<SqlUuid, _>(actor.id)
        .bind::<Text, _>(format!("{name}@example.org"))
        .bind::<Text, _>(name)
        .bind::<Text, _>(token_hash(&token).to_hex())
        .bind::<Timestamptz, _>(session.expires_at)
        .bind::<SqlUuid, _>(session.session_id)
        .execute(&mut conn)
        .await
        .unwrap();
        // A busy machine may not answer within the services' patience; identity answers for what is missing here.
        let _late = suite.put_session(&token, &session).await;
        actor.session_token = Some(token);
        actor
    }

    /// The same person, calling one service elsewhere.
    pub fn calling(&self, service: Service, url: &str) -> Self {
        let mut elsewhere = self.clone();
        elsewhere.channels[service as usize] = channel_to(url, self.authority.as_ref());
        elsewhere
    }

    /// The same person, calling a suite that has been started again.
    pub fn after_restart(&self, suite: &Suite) -> Self {
        Self { channels: Self::anonymous(suite).channels, ..self.clone() }
    }

    fn client(&self, service: Service) -> Client {
        let [identity, project, task, content] = &self.channels;
        let channel = match service {
            Service::Identity => identity,
            Service::Project => project,
            Service::Task => task,
            Service::Content => content,
        };
        InterceptedService::new(channel.clone(), Bearer(self.session_token.clone()))
    }

    pub fn auth(&self) -> AuthServiceClient<Client> {
        AuthServiceClient::new(self.client(Service::Identity))
    }

    pub fn account(&self) -> AccountServiceClient<Client> {
        AccountServiceClient::new(self.client(Service::Identity))
    }

    pub fn users(&self) -> UserServiceClient<Client> {
        UserServiceClient::new(self.client(Service::Identity))
    }

    pub fn projects(&self) -> ProjectServiceClient<Client> {
        ProjectServiceClient::new(self.client(Service::Project))
    }

    pub fn members(&self) -> MemberServiceClient<Client> {
        MemberServiceClient::new(self.client(Service::Project))
    }

    pub fn notifications(&self) -> NotificationServiceClient<Client> {
        NotificationServiceClient::new(self.client(Service::Project))
    }

    pub fn webhooks(&self) -> WebhookServiceClient<Client> {
        WebhookServiceClient::new(self.client(Service::Project))
    }

    pub fn tasks(&self) -> TaskServiceClient<Client> {
        TaskServiceClient::new(self.client(Service::Task))
    }

    pub fn milestones(&self) -> MilestoneServiceClient<Client> {
        MilestoneServiceClient::new(self.client(Service::Task))
            .max_decoding_message_size(shared::server::MAX_MESSAGE_BYTES)
    }

    pub fn time_entries(&self) -> TimeEntryServiceClient<Client> {
        TimeEntryServiceClient::new(self.client(Service::Task))
            .max_decoding_message_size(shared::server::MAX_MESSAGE_BYTES)
    }

    pub fn plans(&self) -> PlanServiceClient<Client> {
        PlanServiceClient::new(self.client(Service::Task))
            .max_decoding_message_size(shared::server::MAX_MESSAGE_BYTES)
    }

    pub fn documents(&self) -> DocumentServiceClient<Client> {
        DocumentServiceClient::new(self.client(Service::Content))
            .max_decoding_message_size(shared::server::MAX_MESSAGE_BYTES)
    }

    pub fn attachments(&self) -> AttachmentServiceClient<Client> {
        AttachmentServiceClient::new(self.client(Service::Content))
    }

    pub fn comments(&self) -> CommentServiceClient<Client> {
        CommentServiceClient::new(self.client(Service::Content))
            .max_decoding_message_size(shared::server::MAX_MESSAGE_BYTES)
    }

    /// Makes a private project.
    pub async fn project(&self, name: &str) -> project::Project {
        let new = project::Project { name: name.to_owned(), ..Default::default() };
        let request = project::CreateProjectRequest { project: Some(new), ..Default::default() };
        self.projects().create_project(request).await.unwrap().into_inner()
    }

    /// Makes somebody a member.
    pub async fn add(
        &self,
        project: &project::Project,
        who: &Self,
        role: project::ProjectRole,
    ) -> project::Member {
        let member = project::Member {
            project_id: project.id.clone(),
            user_id: who.id.to_string(),
            role: role.into(),
            ..Default::default()
        };
        let request = project::AddMemberRequest { member: Some(member), ..Default::default() };
        self.members().add_member(request).await.unwrap().into_inner()
    }

    /// Makes a task.
    pub async fn task(&self, project: &project::Project, title: &str) -> task::Task {
        let new =
            task::Task { project_id: project.id.clone(), title: title.to_owned(), ..Default::default() };
        let request = task::CreateTaskRequest { request_id: new_id(), task: Some(new) };
        self.tasks().create_task(request).await.unwrap().into_inner()
    }

    /// Makes a draft.
    pub async fn document(
        &self,
        project: &project::Project,
        title: &str,
        content: &str,
    ) -> proto::content::v1::Document {
        let new = proto::content::v1::Document {
            project_id: project.id.clone(),
            title: title.to_owned(),
            content: Some(content.to_owned()),
            ..Default::default()
        };
        let request = proto::content::v1::CreateDocumentRequest { document: Some(new), ..Default::default() };
        self.documents().create_document(request).await.unwrap().into_inner()
    }
}
