"""A small template with the constructs of Purser's, and functions that report their events."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.local_system import OwnSystem, start

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31

Parameters:
  Stage: {Type: String, Default: dev}

Globals:
  Function:
    Runtime: python3.13
    Handler: app.handler
    Timeout: 10
    MemorySize: 320
    Layers: [!Ref Shared]
    LoggingConfig: {LogFormat: JSON, ApplicationLogLevel: DEBUG}
    Environment:
      Variables: {NOTES: "@notes@"}
  Api:
    Cors:
      AllowOrigin: "'*'"
      AllowHeaders: "'Authorization,Content-Type'"
    GatewayResponses:
      UNAUTHORIZED: &answer
        StatusCode: 401
        ResponseParameters:
          Headers:
            x-request-id: context.requestId
            Access-Control-Allow-Origin: "'*'"
      MISSING_AUTHENTICATION_TOKEN: {<<: *answer, StatusCode: 404}
      REQUEST_TOO_LARGE: {<<: *answer, StatusCode: 413}
      THROTTLED: {<<: *answer, StatusCode: 429}
      INTEGRATION_FAILURE: {<<: *answer, StatusCode: 502}
      INTEGRATION_TIMEOUT: {<<: *answer, StatusCode: 504}

Resources:
  Shared:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: makefile}
    Properties: {ContentUri: "@shared@"}

  Secret:
    Type: AWS::SecretsManager::Secret
    Properties: {GenerateSecretString: {PasswordLength: 64}}

  TalkativeApi:
    Type: AWS::Serverless::Api
    Properties:
      StageName: !Ref Stage
      Auth: &auth
        DefaultAuthorizer: Cognito
        Authorizers:
          Cognito:
            UserPoolArn: !GetAtt UserPool.Arn
            AuthorizationScopes: [aws.cognito.signin.user.admin]
      MethodSettings:
        - {HttpMethod: GET, ResourcePath: /~1talk~1rare, ThrottlingRateLimit: 0.001, ThrottlingBurstLimit: 2}
      GatewayResponses:
        UNAUTHORIZED: {ResponseTemplates: {application/json: '{"message": "Unauthorized"}'}}
        MISSING_AUTHENTICATION_TOKEN: {ResponseTemplates: {application/json: '{"message": "Not Found"}'}}
        REQUEST_TOO_LARGE: {ResponseTemplates: {application/json: '{"message": "Too Large"}'}}
        THROTTLED: {ResponseTemplates: {application/json: '{"message": "Too Many"}'}}
        INTEGRATION_FAILURE: {ResponseTemplates: {application/json: '{"message": "Bad Gateway"}'}}
        INTEGRATION_TIMEOUT: {ResponseTemplates: {application/json: '{"message": "Too Late"}'}}

  QuietApi:
    Type: AWS::Serverless::Api
    Properties:
      StageName: !Ref Stage
      Auth:
        DefaultAuthorizer: Cognito
        Authorizers:
          Cognito:
            UserPoolArn: !GetAtt UserPool.Arn
            AuthorizationScopes: [aws.cognito.signin.user.admin, things/read]
      GatewayResponses:
        UNAUTHORIZED: {ResponseTemplates: {application/json: ""}}

  Echo:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: echo
      Environment:
        Variables:
          TABLE: !Ref Things
          QUEUE_URL: !Ref Jobs
          KEY_ID: !Ref Key
          SECRET: !Sub "the ${Stage} {{resolve:secretsmanager:${Secret}}}"
          USER_POOL_ID: !Ref UserPool
          EVERYWHERE: !Join ["/", [!Ref AWS::Region, !GetAtt Jobs.Arn, !If [Never, "wrong", "right"]]]
      Events:
        Open:
          Type: Api
          Properties: {RestApiId: !Ref TalkativeApi, Path: /talk/open, Method: ANY, Auth: {Authorizer: NONE}}
        OneOfItsOwn:
          Type: Api
          Properties: {RestApiId: !Ref TalkativeApi, Path: /talk/own, Method: GET, Auth: {Authorizer: NONE}}
        Rare:
          Type: Api
          Properties: {RestApiId: !Ref TalkativeApi, Path: /talk/rare, Method: GET, Auth: {Authorizer: NONE}}
        Mine:
          Type: Api
          Properties: {RestApiId: !Ref TalkativeApi, Path: "/talk/mine/{id}", Method: GET}
        Rest:
          Type: Api
          Properties: {RestApiId: !Ref TalkativeApi, Path: "/{proxy+}", Method: ANY, Auth: {Authorizer: NONE}}
        Quiet:
          Type: Api
          Properties: {RestApiId: !Ref QuietApi, Path: /quiet, Method: GET}

  Slow:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: echo
      Timeout: 2
      Events:
        AnyOther:
          Type: Api
          Properties: {RestApiId: !Ref TalkativeApi, Path: /talk/own, Method: ANY, Auth: {Authorizer: NONE}}
        Slow:
          Type: Api
          Properties: {RestApiId: !Ref TalkativeApi, Path: /talk/slow, Method: GET, Auth: {Authorizer: NONE}}

  Broken:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: broken
      Events:
        Broken:
          Type: Api
          Properties: {RestApiId: !Ref TalkativeApi, Path: /talk/broken, Method: GET, Auth: {Authorizer: NONE}}

  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: worker
      Events:
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: 25
            MaximumBatchingWindowInSeconds: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 2}

  FragileWorker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: worker
      Events:
        Jobs: {Type: SQS, Properties: {Queue: !GetAtt FragileJobs.Arn, BatchSize: 1}}

  Tick:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: tick
      EventInvokeConfig: {MaximumRetryAttempts: 0}
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Failures.Arn}
      Events:
        Often:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: rate(1 day)
            Input: '{"time": "<aws.scheduler.scheduled-time>", "detail": {}}'
        Failing:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: rate(2 days)
            Input: '{"time": "<aws.scheduler.scheduled-time>", "detail": {"fail": true}}'
        Nightly:
          Type: ScheduleV2
          Properties: {ScheduleExpression: "cron(5 0 * * ? *)", ScheduleExpressionTimezone: UTC}

  JobSweeper:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: sweeper}

  Follower:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: follower
      Events:
        Things:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Things.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 8
            FilterCriteria:
              Filters:
                - Pattern: '{"dynamodb": {"Keys": {"PK": {"S": [{"prefix": "matching-"}]}}}}'
            BisectBatchOnFunctionError: true
            FunctionResponseTypes: [ReportBatchItemFailures]
            MaximumRetryAttempts: 3
            DestinationConfig:
              OnFailure: {Type: SQS, Destination: !GetAtt Failures.Arn}

  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 2
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Failures.Arn, maxReceiveCount: 2}

  FragileJobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 1
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Failures.Arn, maxReceiveCount: 2}

  Failures:
    Type: AWS::SQS::Queue
    Properties: {MessageRetentionPeriod: 1209600}

  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: PK, AttributeType: S}
        - {AttributeName: kind, AttributeType: S}
        - {AttributeName: colour, AttributeType: S}
      KeySchema: [{AttributeName: PK, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}
      GlobalSecondaryIndexes:
        - IndexName: ByKind
          KeySchema: [{AttributeName: kind, KeyType: HASH}]
          Projection: {ProjectionType: KEYS_ONLY}
        - IndexName: ByColour
          KeySchema: [{AttributeName: colour, KeyType: HASH}]
          Projection: {ProjectionType: KEYS_ONLY}
      TimeToLiveSpecification: {AttributeName: expiresAt, Enabled: true}

  Key:
    Type: AWS::KMS::Key
    Properties:
      EnableKeyRotation: true
      KeyPolicy:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {AWS: !Sub "arn:aws:iam::${AWS::AccountId}:root"}
            Action: kms:*
            Resource: "*"

  KeyAlias:
    Type: AWS::KMS::Alias
    Properties: {AliasName: alias/small, TargetKeyId: !Ref Key}

  UserPool:
    Type: AWS::Cognito::UserPool
    Properties:
      UserPoolName: small
      UsernameAttributes: [email]
      MfaConfiguration: OPTIONAL
      EnabledMfas: [SOFTWARE_TOKEN_MFA]

  UserPoolClient:
    Type: AWS::Cognito::UserPoolClient
    Properties:
      ClientName: people
      UserPoolId: !Ref UserPool
      ExplicitAuthFlows: [ALLOW_USER_PASSWORD_AUTH, ALLOW_REFRESH_TOKEN_AUTH]
      AccessTokenValidity: 15
      TokenValidityUnits: {AccessToken: minutes}

  MachineClient:
    Type: AWS::Cognito::UserPoolClient
    Properties:
      ClientName: machines
      UserPoolId: !Ref UserPool
      GenerateSecret: true
      AllowedOAuthFlows: [client_credentials]
      AllowedOAuthScopes: [things/read, things/write]

  ThingsServer:
    Type: AWS::Cognito::UserPoolResourceServer
    Properties:
      UserPoolId: !Ref UserPool
      Identifier: things
      Name: Things
      Scopes: [{ScopeName: read, ScopeDescription: read}, {ScopeName: write, ScopeDescription: write}]

  AdminGroup:
    Type: AWS::Cognito::UserPoolGroup
    Properties: {UserPoolId: !Ref UserPool, GroupName: admin}

Conditions:
  Never: !Equals [!Ref Stage, never]
"""

ECHO = """
import json, os, sys, time
from greeting import GREETING

WORD = "first"

def handler(event, context):
    if "httpMethod" not in event:
        return direct(event, context)
    do = (event["queryStringParameters"] or {}).get("do")
    if do == "raise":
        raise ValueError("secret detail")
    if do == "exit":
        os._exit(3)
    if do == "malformed":
        return {"status": 200}
    if do == "sleep":
        open(os.path.join(os.environ["NOTES"], "asleep"), "w").close()
        time.sleep(float(event["queryStringParameters"]["seconds"]))
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "x-request-id": event["requestContext"]["requestId"]},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
        "body": json.dumps({"event": event, "pid": os.getpid(), "function": context.function_name}),
    }

def direct(event, context):
    if "sleep" in event:
        time.sleep(event["sleep"])
    return {
        "event": event, "pid": os.getpid(), "memory": context.memory_limit_in_mb, "name": context.function_name,
        "left": context.get_remaining_time_in_millis(), "environment": dict(os.environ), "path": sys.path,
        "greeting": GREETING, "word": WORD, "modules": sorted(sys.modules),
    }
"""

WORKER = """
import json, os, pathlib

def handler(event, context):
    failures = []
    for record in event["Records"]:
        job = json.loads(record["body"])
        count = record["attributes"]["ApproximateReceiveCount"]
        note = {"record": record, "batch": len(event["Records"])}
        fresh = pathlib.Path(os.environ["NOTES"], f"fresh-{job['id']}")
        fresh.write_text(json.dumps(note))
        fresh.rename(fresh.with_name(f"{job['id']}.{count}"))
        if job.get("crash"):
            os._exit(1)
        if job.get("fail"):
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
"""

TICK = """
import json, os, pathlib

def handler(event, context):
    if event.get("detail", {}).get("fail"):
        raise ValueError("asked to")
    fresh = pathlib.Path(os.environ["NOTES"], f"fresh-{context.aws_request_id}")
    fresh.write_text(json.dumps(event))
    fresh.rename(fresh.with_name(event.get("note", "tick")))
"""

SWEEPER = """
import os, pathlib

def handler(event, context):
    if event["detail"]["queueIsEmpty"]:
        pathlib.Path(os.environ["NOTES"], "swept-at-start").touch()
"""

FOLLOWER = """
import json, os, pathlib

def handler(event, context):
    for record in event["Records"]:
        image = record["dynamodb"]["NewImage"]
        note = {"record": record, "batch": len(event["Records"])}
        with pathlib.Path(os.environ["NOTES"], "followed").open("a") as notes:
            notes.write(json.dumps(note) + "\\n")
        until = pathlib.Path(os.environ["NOTES"], image.get("until", {}).get("S", "."))
        if not until.exists():
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
        if image.get("crash"):
            os._exit(1)
    return {"batchItemFailures": []}
"""

FUNCTIONS = {
    "echo": ECHO,
    "worker": WORKER,
    "tick": TICK,
    "sweeper": SWEEPER,
    "follower": FOLLOWER,
    "broken": "import nothing_of_this_name",
}
GREETING = 'GREETING = "{}"\n'


class SmallSystem:
    """A small system in a folder: ``make`` writes its template and sources, ``start`` runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        self.package = folder / "shared/greeting/__init__.py"
        self.built = folder / "built"

    def make(self) -> SmallSystem:
        """Write the files."""
        self.notes.mkdir(parents=True)
        for name, source in FUNCTIONS.items():
            (self.built / name).mkdir(parents=True)
            self.function(name).write_text(source)
        self.package.parent.mkdir(parents=True)
        self.package.write_text(GREETING.format("hello"))
        shutil.copytree(self.package.parent, self.built / "Shared/python/greeting")
        for path, shared in ((self.folder / "template.yaml", "shared"), (self.built / "template.yaml", "Shared")):
            path.write_text(TEMPLATE.replace("@notes@", str(self.notes)).replace("@shared@", shared))
        return self

    def function(self, name: str) -> Path:
        """Return the path of the source of a function."""
        return self.built / name / "app.py"

    def start(self) -> OwnSystem:
        """Run the system with its own state, possibly again after it was stopped or killed."""
        template = ("--template", self.built / "template.yaml", "--source", self.folder / "template.yaml")
        return start(self.folder / "state", "--bare", *template)


def begin(folder: Path) -> OwnSystem:
    """Make a small system in a folder, and start it."""
    return SmallSystem(folder).make().start()
